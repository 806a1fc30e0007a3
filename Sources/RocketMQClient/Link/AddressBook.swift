import MQSystem
import MQTransport

/// Remembers what addresses resolve to. Names are looked up on a thread of their own: DNS may take seconds.
final class AddressBook: Sendable {
    private let known = Lock<[String: SocketAddress]>([:])
    private let names = Lock<[SocketAddress: String]>([:])

    func resolve(_ text: String) async throws(ClientError) -> SocketAddress {
        if let address = known.withLock({ $0[text] }) { return address }
        let address: SocketAddress
        if Self.isLiteral(text) {
            address = try Self.lookUp(text).get()
        } else {
            // A caller that is cancelled does not wait for the resolver.
            address = try await value(of: Task { await Self.lookUpAside(text) }, before: nil, late: .cancelled)
        }
        known.withLock { $0[text] = address }
        if !Self.isLiteral(text) { names.withLock { $0[address] = String(text.prefix { $0 != ":" }) } }
        return address
    }

    /// The name that led to `address`, or its digits: what its certificate is for.
    func host(of address: SocketAddress) -> String { names.withLock { $0[address] } ?? address.host }

    /// Looks a name up again the next time: its machine may have moved.
    func forget(_ text: String) { _ = known.withLock { $0.removeValue(forKey: text) } }

    private static func isLiteral(_ text: String) -> Bool {
        text.hasPrefix("[") || text.utf8.allSatisfy { (48...58).contains($0) || $0 == 46 }
    }

    private static func lookUpAside(_ text: String) async -> Result<SocketAddress, ClientError> {
        var thread: Thread?
        let result = await withCheckedContinuation { continuation in
            thread = Thread("resolve") { continuation.resume(returning: lookUp(text)) }
        }
        thread?.join()  // it has done its work; its stack is given back
        return result
    }

    private static func lookUp(_ text: String) -> Result<SocketAddress, ClientError> {
        do throws(SystemError) {
            return .success(try SocketAddress.resolve(text))
        } catch {
            return .failure(.badAddress(text))
        }
    }
}
