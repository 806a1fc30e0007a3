public import MQBytes

/// The address of a producer or a broker as records hold it: 4 or 16 address bytes, then the port as an int32.
/// A value without an array inside, because every message carries two.
public struct MessageHost: Hashable, Sendable, CustomStringConvertible {
    /// Address bytes 0–7; an IPv4 address lies in the upper four.
    public let high: UInt64
    /// Address bytes 8–15; zero for IPv4.
    public let low: UInt64
    /// The port.
    public let port: Int32
    /// Whether the address has 16 bytes.
    public let isIPv6: Bool

    /// - Precondition: 4 or 16 bytes.
    public init(ip: [UInt8], port: Int) {
        precondition(ip.count == 4 || ip.count == 16, "an address of \(ip.count) bytes")
        isIPv6 = ip.count == 16
        var high: UInt64 = 0
        var low: UInt64 = 0
        for byte in ip.prefix(8) { high = high << 8 | UInt64(byte) }
        for byte in ip.dropFirst(8) { low = low << 8 | UInt64(byte) }
        self.high = isIPv6 ? high : high << 32
        self.low = low
        self.port = Int32(truncatingIfNeeded: port)
    }

    /// Reads the address at `offset`.
    /// - Precondition: ``byteCount(isIPv6:)`` bytes are there.
    @inlinable public init(_ bytes: Span<UInt8>, at offset: Int, isIPv6: Bool) {
        self.isIPv6 = isIPv6
        if isIPv6 {
            high = UInt64(bitPattern: bytes.int64(at: offset))
            low = UInt64(bitPattern: bytes.int64(at: offset + 8))
            port = bytes.int32(at: offset + 16)
        } else {
            high = UInt64(UInt32(bitPattern: bytes.int32(at: offset))) << 32
            low = 0
            port = bytes.int32(at: offset + 4)
        }
    }

    /// 8 or 20.
    @inlinable public static func byteCount(isIPv6: Bool) -> Int { isIPv6 ? 20 : 8 }

    /// Appends the address as records hold it.
    @inlinable public func append(to buffer: inout ByteBuffer) {
        if isIPv6 {
            buffer.append(bigEndian: high)
            buffer.append(bigEndian: low)
            buffer.append(bigEndian: port)
        } else {
            buffer.append(bigEndian: high | UInt64(UInt32(bitPattern: port)))
        }
    }

    /// The address bytes, 4 or 16.
    public var ip: [UInt8] {
        var all: [UInt8] = []
        for word in [high, low] {
            for shift in stride(from: UInt64(56), through: 0, by: -8) {
                all.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        return isIPv6 ? all : Array(all.prefix(4))
    }

    /// `address:port`, an IPv6 address in brackets.
    public var description: String {
        if !isIPv6 { return ip.map(String.init).joined(separator: ".") + ":\(port)" }
        let groups = stride(from: 0, to: 16, by: 2).map { String(Int(ip[$0]) << 8 | Int(ip[$0 + 1]), radix: 16) }
        return "[" + groups.joined(separator: ":") + "]:\(port)"
    }
}
