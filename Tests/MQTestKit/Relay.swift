public import Foundation
import Glibc

/// A wire that can be trouble: carries bytes between clients and a port of this machine, and freezes, cuts, delays or
/// swallows them when told to.
public final class Relay: @unchecked Sendable {
    // @unchecked: everything that changes is reached with `condition` locked.

    /// What happens to bytes that arrive.
    public enum Mode: Sendable {
        /// They are carried.
        case open
        /// They wait.
        case frozen
        /// They are lost; connections stay, as when a machine in between has died.
        case swallowing
        /// There are no connections, and new ones end at once.
        case cut
    }

    /// Where clients connect to.
    public let port: Int
    private let host: String
    private let target: Int
    private let listener: Int32
    private let condition = NSCondition()
    private var mode = Mode.open
    private var delay: TimeInterval = 0
    private var descriptors: Set<Int32> = []
    private var isStopped = false
    private var accepted = 0
    /// Pieces from the server until the wire is cut; `nil`: it is not.
    private var answersLeft: Int?

    /// `host:port` for clients.
    public var address: String { "\(host):\(port)" }

    /// Connections taken so far.
    public var connectionCount: Int { condition.withLock { accepted } }

    /// - Parameters:
    ///   - target: a port of 127.0.0.1.
    ///   - host: where clients connect to, an address of this machine.
    ///   - port: a port there; 0 is any.
    public init(to target: Int, on host: String = "127.0.0.1", port: Int = 0) throws {
        self.target = target
        self.host = host
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr(host)
        address.sin_port = in_port_t(port).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = listener
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 64) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isListening else { throw TestFailure("listen: \(String(cString: strerror(errno)))") }
        self.port = Int(in_port_t(bigEndian: address.sin_port))
        Thread.detachNewThread { self.accept() }
    }

    /// From now on bytes go this way.
    public func set(_ mode: Mode) {
        condition.withLock {
            self.mode = mode
            if mode == .cut { for descriptor in descriptors { shutdown(descriptor, Int32(SHUT_RDWR)) } }
            condition.broadcast()
        }
    }

    /// Ends all connections, takes new ones, and cuts the wire for good behind so many pieces of what the server says: each
    /// answer is at least one.
    public func cut(afterAnswers count: Int) {
        hangUp()
        condition.withLock { answersLeft = count }
        set(count == 0 ? .cut : .open)
    }

    /// From now on each piece waits that long.
    public func delay(by seconds: TimeInterval) { condition.withLock { delay = seconds } }

    /// Ends all connections once; new ones are carried as before.
    public func hangUp() {
        condition.withLock { for descriptor in descriptors { shutdown(descriptor, Int32(SHUT_RDWR)) } }
    }

    /// Ends everything.
    public func stop() {
        condition.withLock { isStopped = true }
        set(.cut)
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    private func accept() {
        while true {
            let client = Glibc.accept(listener, nil, nil)
            if client < 0 {
                if errno == EINTR, !condition.withLock({ isStopped }) { continue }
                return
            }
            let isRefused = condition.withLock {
                accepted += 1
                return mode == .cut
            }
            guard !isRefused, let server = connect() else {
                close(client)
                continue
            }
            condition.withLock { descriptors.formUnion([client, server]) }
            let left = Ends(client, server) { [self] in
                condition.withLock { descriptors.subtract([client, server]) }
            }
            for (from, to) in [(client, server), (server, client)] {
                Thread.detachNewThread { [self] in
                    carry(from, to, isAnswer: from == server)
                    left.end()
                }
            }
        }
    }

    private func connect() -> Int32? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(target).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        if isConnected { return descriptor }
        close(descriptor)
        return nil
    }

    private func carry(_ from: Int32, _ to: Int32, isAnswer: Bool) {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = receive(from, into: &chunk)
            guard count > 0 else { break }
            guard let isCarried = passage() else { break }
            guard isCarried else { continue }
            var done = 0
            while done < count {
                let sent = chunk[done..<count].withUnsafeBytes {
                    send(to, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                if sent <= 0 { return hangUp(from, to) }
                done += sent
            }
            if isAnswer { noteAnswer() }
        }
        hangUp(from, to)
    }

    /// An answer has passed; the last one cuts the wire.
    private func noteAnswer() {
        let isLast = condition.withLock {
            guard let left = answersLeft else { return false }
            answersLeft = left > 1 ? left - 1 : nil
            return left == 1
        }
        if isLast { set(.cut) }
    }

    private func hangUp(_ from: Int32, _ to: Int32) {
        shutdown(from, Int32(SHUT_RDWR))
        shutdown(to, Int32(SHUT_RDWR))
    }

    /// Waits until bytes may pass; `false` if they are lost, `nil` if the connection is over.
    private func passage() -> Bool? {
        let wait = condition.withLock { delay }
        if wait > 0 { Thread.sleep(forTimeInterval: wait) }
        return condition.withLock {
            while mode == .frozen { condition.wait() }
            return mode == .cut ? nil : mode == .open
        }
    }

    /// Two descriptors that are closed when both directions have ended.
    private final class Ends: @unchecked Sendable {
        // @unchecked: `count` is reached with `lock` locked.
        private let lock = NSLock()
        private var count = 2
        private let descriptors: [Int32]
        private let forget: () -> Void

        init(_ first: Int32, _ second: Int32, _ forget: @escaping () -> Void) {
            descriptors = [first, second]
            self.forget = forget
        }

        func end() {
            let isLast = lock.withLock {
                count -= 1
                return count == 0
            }
            guard isLast else { return }
            forget()
            for descriptor in descriptors { close(descriptor) }
        }
    }
}
