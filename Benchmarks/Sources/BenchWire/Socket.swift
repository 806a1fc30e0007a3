import Glibc

/// An IPv4 address and port, as `host:port` with a dotted host or `localhost`.
public struct Address: Hashable, Sendable, CustomStringConvertible {
    /// Dotted decimal.
    public let host: String
    /// 1 and up; 0 only to listen on a free one.
    public let port: UInt16

    /// An address that is known to be well formed.
    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// `nil` unless `text` is `a.b.c.d:port` or `localhost:port`.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let port = UInt16(parts[1]), port > 0 else { return nil }
        let host = parts[0] == "localhost" ? "127.0.0.1" : String(parts[0])
        var binary = in_addr()
        guard inet_pton(AF_INET, host, &binary) == 1 else { return nil }
        self.init(host: host, port: port)
    }

    /// `host:port`.
    public var description: String { "\(host):\(port)" }

    var socketAddress: sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        _ = inet_pton(AF_INET, host, &address.sin_addr)
        return address
    }
}

/// A connected, blocking TCP socket with Nagle's delay off, or `nil` with `errno` set.
public func connectSocket(to address: Address) -> Int32? {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    var target = address.socketAddress
    let result = withUnsafePointer(to: &target) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    guard result == 0 else {
        let reason = errno
        close(descriptor)
        errno = reason
        return nil
    }
    setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    return descriptor
}

/// A non-blocking listener on loopback and the port it got (`port` 0 takes a free one); `nil` with `errno` set.
public func listenSocket(port: UInt16) -> (descriptor: Int32, port: UInt16)? {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
    var address = Address(host: "127.0.0.1", port: port).socketAddress
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, length) == 0 && listen(descriptor, 1024) == 0
                && getsockname(descriptor, $0, &length) == 0
        }
    }
    guard bound else {
        close(descriptor)
        return nil
    }
    setNonBlocking(descriptor)
    return (descriptor, UInt16(bigEndian: address.sin_port))
}

/// A connection waiting at the listener, non-blocking and without Nagle's delay; `nil` if there is none.
public func acceptSocket(_ listener: Int32) -> Int32? {
    let descriptor = accept(listener, nil, nil)
    guard descriptor >= 0 else { return nil }
    setNonBlocking(descriptor)
    setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    return descriptor
}

/// Makes reads and writes return at once.
public func setNonBlocking(_ descriptor: Int32) {
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
}

/// Bounds how long a blocking read or write may take.
public func setTimeout(_ descriptor: Int32, seconds: Int) {
    var time = timeval(tv_sec: seconds, tv_usec: 0)
    let length = socklen_t(MemoryLayout<timeval>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, length)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, length)
}

private func setOption(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
    var value = value
    setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
}
