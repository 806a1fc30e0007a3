import Glibc

/// What the bench tools read out of a remoting frame without decoding it. Frame: total i32, type u8 +
/// headerByteCount u24, header, body; big-endian. Source: `RemotingCommand.java`, RocketMQ 5.3.
public enum FrameScan {
    /// Largest frame RocketMQ takes, bytes.
    public static let frameMax = 16_777_216

    /// Reads a big-endian number.
    @inlinable @inline(__always)
    public static func int32(_ bytes: UnsafeRawPointer) -> Int {
        Int(Int32(bigEndian: bytes.loadUnaligned(as: Int32.self)))
    }

    /// Reads a big-endian number.
    @inlinable @inline(__always)
    public static func int64(_ bytes: UnsafeRawPointer) -> Int64 {
        Int64(bigEndian: bytes.loadUnaligned(as: Int64.self))
    }

    /// `code` of a JSON header, or of a binary one if `isBinary`; -1 if there is none.
    @inlinable
    public static func code(_ header: UnsafeRawPointer, _ count: Int, isBinary: Bool) -> Int {
        if isBinary {
            guard count >= 21 else { return -1 }
            return Int(Int16(bigEndian: header.loadUnaligned(as: Int16.self)))
        }
        // Every known writer puts it first: `{"code":`, eight bytes.
        if count > 8, header.loadUnaligned(as: UInt64.self) == 0x3A22_6564_6F63_227B {
            return number(header, 8, count)
        }
        return field("\"code\":", header, count) ?? -1
    }

    /// `opaque` of a header; -1 if there is none.
    @inlinable
    public static func opaque(_ header: UnsafeRawPointer, _ count: Int, isBinary: Bool) -> Int {
        if isBinary { return count >= 21 ? int32(header + 5) : -1 }
        let start = opaqueStart(header, count)
        return start < 0 ? -1 : number(header, start, count)
    }

    /// Where the digits of a JSON header's `opaque` begin; -1 if there are none. Searched from the end, where
    /// fastjson's alphabetical order puts it. `"opaque"` is eight bytes: one compare a step.
    @inlinable
    public static func opaqueStart(_ header: UnsafeRawPointer, _ count: Int) -> Int {
        var at = count - 10
        while at >= 0 {
            if (header + at).loadUnaligned(as: UInt64.self) == 0x2265_7571_6170_6F22 {
                var start = at + 9
                while start < count, header.load(fromByteOffset: start, as: UInt8.self) == 0x20 { start += 1 }
                return start
            }
            at -= 1
        }
        return -1
    }

    /// The number behind the first `name` (for example `"queueId":`), quoted or not; `nil` if absent.
    public static func field(_ name: StaticString, _ bytes: UnsafeRawPointer, _ count: Int) -> Int? {
        guard let at = find(name, bytes, count) else { return nil }
        var start = at + name.utf8CodeUnitCount
        while start < count, [0x20, 0x22, 0x3A].contains(bytes.load(fromByteOffset: start, as: UInt8.self)) {
            start += 1
        }
        let value = number(bytes, start, count)
        return value
    }

    /// Where `text` begins first.
    public static func find(_ text: StaticString, _ bytes: UnsafeRawPointer, _ count: Int) -> Int? {
        let length = text.utf8CodeUnitCount
        guard count >= length else { return nil }
        let first = text.utf8Start[0]
        for at in 0...(count - length) where bytes.load(fromByteOffset: at, as: UInt8.self) == first {
            if memcmp(bytes + at, text.utf8Start, length) == 0 { return at }
        }
        return nil
    }

    /// The decimal number at `start`, with a sign or without; 0 if there is none.
    @inlinable
    public static func number(_ bytes: UnsafeRawPointer, _ start: Int, _ end: Int) -> Int {
        var at = start
        while at < end, bytes.load(fromByteOffset: at, as: UInt8.self) == 0x20 { at += 1 }
        let isNegative = at < end && bytes.load(fromByteOffset: at, as: UInt8.self) == 0x2D
        if isNegative { at += 1 }
        var value = 0
        while at < end {
            let digit = bytes.load(fromByteOffset: at, as: UInt8.self) &- 0x30
            guard digit < 10 else { break }
            value = value &* 10 &+ Int(digit)
            at += 1
        }
        return isNegative ? -value : value
    }
}
