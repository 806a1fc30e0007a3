import Glibc
public import MQSystem

/// An IPv4 or IPv6 address with its port.
public struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
    /// 4 or 16 bytes, in network order.
    public let ip: [UInt8]
    /// 0…65535.
    public let port: Int

    /// - Precondition: 4 or 16 bytes and a port below 65536.
    public init(ip: [UInt8], port: Int) {
        precondition(ip.count == 4 || ip.count == 16, "an address of \(ip.count) bytes")
        precondition((0...65535).contains(port), "port \(port)")
        self.ip = ip
        self.port = port
    }

    /// Whether the address has 16 bytes.
    public var isIPv6: Bool { ip.count == 16 }

    /// The address without its port, `127.0.0.1` or `::1`.
    public var host: String {
        var text = [CChar](repeating: 0, count: 64)
        // SAFETY: the buffer is longer than any printed address, and `ip` has the family's length.
        let family = isIPv6 ? AF_INET6 : AF_INET
        guard unsafe inet_ntop(family, ip, &text, socklen_t(text.count)) != nil else { return "?" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// `host:port`, an IPv6 host in brackets.
    public var description: String { isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Reads `host:port`, `[v6]:port`. A name is looked up, which may wait for DNS: never on a loop.
    public static func resolve(_ text: String) throws(SystemError) -> SocketAddress {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            throw SystemError(code: EINVAL, call: "address", subject: text)
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        return try resolve(host: host, port: Int(port))
    }

    /// The address of `host`, a literal or a name; an empty host is the wildcard.
    public static func resolve(host: String, port: Int) throws(SystemError) -> SocketAddress {
        if host.isEmpty || host == "*" { return SocketAddress(ip: [0, 0, 0, 0], port: port) }
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        // SAFETY: the list is freed below, its first entry is copied before.
        guard unsafe getaddrinfo(host, nil, &hints, &list) == 0, let first = unsafe list else {
            throw SystemError(code: ENOENT, call: "resolve", subject: host)
        }
        defer { unsafe freeaddrinfo(list) }
        var entry: UnsafeMutablePointer<addrinfo>? = unsafe first
        while let current = unsafe entry {  // an IPv4 address is what most RocketMQ peers can print
            if unsafe current.pointee.ai_family == AF_INET, let address = unsafe current.pointee.ai_addr {
                return unsafe Self(address, port: port)
            }
            unsafe entry = current.pointee.ai_next
        }
        guard let address = unsafe first.pointee.ai_addr else {
            throw SystemError(code: ENOENT, call: "resolve", subject: host)
        }
        return unsafe Self(address, port: port)
    }

    /// Copies the address the system gives; `port` replaces the one in it.
    @unsafe init(_ address: UnsafePointer<sockaddr>, port: Int? = nil) {
        if unsafe address.pointee.sa_family == sa_family_t(AF_INET6) {
            let (bytes, inner) = unsafe address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { pointer in
                let bytes = unsafe withUnsafeBytes(of: pointer.pointee.sin6_addr) { unsafe [UInt8]($0) }
                return unsafe (bytes, Int(UInt16(bigEndian: pointer.pointee.sin6_port)))
            }
            let mapped = bytes[0..<10].allSatisfy { $0 == 0 } && bytes[10] == 255 && bytes[11] == 255
            ip = mapped ? [UInt8](bytes[12..<16]) : bytes
            self.port = port ?? inner
        } else {
            let (bytes, inner) = unsafe address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { pointer in
                let bytes = unsafe withUnsafeBytes(of: pointer.pointee.sin_addr) { unsafe [UInt8]($0) }
                return unsafe (bytes, Int(UInt16(bigEndian: pointer.pointee.sin_port)))
            }
            ip = bytes
            self.port = port ?? inner
        }
    }

    /// Lends the address in the system's form.
    @unsafe func withSockaddr<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        if isIPv6 {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = UInt16(port).bigEndian
            unsafe withUnsafeMutableBytes(of: &address.sin6_addr) { unsafe $0.copyBytes(from: ip) }
            // SAFETY: a sockaddr_in6 is a sockaddr by its family; the pointer is used inside the closure only.
            return unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
                }
            }
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        unsafe withUnsafeMutableBytes(of: &address.sin_addr) { unsafe $0.copyBytes(from: ip) }
        // SAFETY: a sockaddr_in is a sockaddr by its family; the pointer is used inside the closure only.
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// The first address of this machine that others can reach: not loopback, IPv4 first; loopback if there is none.
    public static func ofThisMachine() -> SocketAddress {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&list) == 0 else { return SocketAddress(ip: [127, 0, 0, 1], port: 0) }
        defer { unsafe freeifaddrs(list) }
        var found: [SocketAddress] = []
        var entry = unsafe list
        while let current = unsafe entry {  // SAFETY: the list is valid until freed above
            if let address = unsafe current.pointee.ifa_addr {
                let family = Int32(unsafe address.pointee.sa_family)
                if family == AF_INET || family == AF_INET6 { found.append(unsafe SocketAddress(address, port: 0)) }
            }
            unsafe entry = current.pointee.ifa_next
        }
        let reachable = found.filter { $0.isIPv6 ? $0.ip[0] != 0xFE && $0.host != "::1" : $0.ip[0] != 127 }
        return reachable.first { !$0.isIPv6 } ?? reachable.first ?? SocketAddress(ip: [127, 0, 0, 1], port: 0)
    }
}
