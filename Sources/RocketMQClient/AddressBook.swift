import MQSystem
import MQTransport

/// Remembers what addresses resolve to. Names are looked up on a thread of their own: DNS may take seconds.
final class AddressBook: Sendable {
    private let known = Lock<[String: SocketAddress]>([:])

    func resolve(_ text: String) async throws(ClientError) -> SocketAddress {
        if let address = known.withLock({ $0[text] }) { return address }
        let result: Result<SocketAddress, SystemError>
        if Self.isLiteral(text) {
            result = Self.lookUp(text)
        } else {
            var thread: Thread?
            result = await withCheckedContinuation { continuation in
                thread = Thread("resolve") { continuation.resume(returning: Self.lookUp(text)) }
            }
            thread?.join()  // it has done its work; its stack is given back
        }
        guard case .success(let address) = result else { throw .badAddress(text) }
        known.withLock { $0[text] = address }
        return address
    }

    /// Looks a name up again the next time: its machine may have moved.
    func forget(_ text: String) { _ = known.withLock { $0.removeValue(forKey: text) } }

    private static func isLiteral(_ text: String) -> Bool {
        text.hasPrefix("[") || text.utf8.allSatisfy { (48...58).contains($0) || $0 == 46 }
    }

    private static func lookUp(_ text: String) -> Result<SocketAddress, SystemError> {
        do throws(SystemError) {
            return .success(try SocketAddress.resolve(text))
        } catch {
            return .failure(error)
        }
    }
}
