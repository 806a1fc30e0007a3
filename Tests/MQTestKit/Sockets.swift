import Glibc

/// recv(2) on a blocking socket. Begins anew when a signal interrupts it: other tests of this process have children
/// that end, and a socket with a time limit is never restarted by the kernel.
/// - Returns: as recv(2) does; 0 is the end of the connection, and -1 an error or a time limit that is over.
public func receive(_ descriptor: Int32, into chunk: inout [UInt8]) -> Int {
    while true {
        let count = chunk.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
        if count >= 0 || errno != EINTR { return count }
    }
}

/// A blocking connection to a server of this machine, which gives up after 20 s. Closed when it goes.
public final class RawSocket {
    public let descriptor: Int32

    /// Connects to 127.0.0.1.
    public init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else { throw TestFailure("connect: \(String(cString: strerror(errno)))") }
    }

    deinit { Glibc.close(descriptor) }

    /// Sends all of it, unless the other side has gone.
    public func send(_ bytes: [UInt8]) {
        var done = 0
        while done < bytes.count {
            let sent = bytes[done...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if sent <= 0 { return }
            done += sent
        }
    }

    /// Up to `limit` bytes; empty when the other side has closed or reset the connection.
    /// - Throws: when nothing comes within the time limit.
    public func next(_ limit: Int = 1 << 16) throws -> [UInt8] {
        var chunk = [UInt8](repeating: 0, count: limit)
        let count = MQTestKit.receive(descriptor, into: &chunk)
        guard count >= 0 || errno == ECONNRESET else { throw TestFailure("nothing came: errno \(errno)") }
        return Array(chunk.prefix(max(0, count)))
    }

    /// Up to `limit` bytes; empty at the end, or when nothing comes.
    public func receive(_ limit: Int = 1 << 16) -> [UInt8] { (try? next(limit)) ?? [] }

    /// `count` bytes, or what came before the end.
    public func receive(exactly count: Int, pieces: Int = 1 << 16) -> [UInt8] {
        var all: [UInt8] = []
        while all.count < count {
            let piece = receive(min(pieces, count - all.count))
            if piece.isEmpty { break }
            all += piece
        }
        return all
    }

    /// Says that nothing more will be sent.
    public func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Ends the connection as a killed process would.
    public func hangUp() { shutdown(descriptor, Int32(SHUT_RDWR)) }
}
