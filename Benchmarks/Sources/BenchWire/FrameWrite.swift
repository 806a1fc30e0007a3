import Glibc

/// A whole frame with a JSON header.
public func frameBytes(header: String, body: [UInt8] = []) -> [UInt8] {
    let header = Array(header.utf8)
    var frame: [UInt8] = []
    frame.reserveCapacity(8 + header.count + body.count)
    frame.append(contentsOf: bigEndian(UInt32(4 + header.count + body.count)))
    frame.append(contentsOf: bigEndian(UInt32(header.count)))
    frame.append(contentsOf: header)
    frame.append(contentsOf: body)
    return frame
}

/// The bytes of a number, most significant first.
public func bigEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    withUnsafeBytes(of: value.bigEndian) { Array($0) }
}

/// Writes `value` with exactly `digits` decimal digits.
@inlinable
public func putDecimal(_ value: Int, digits: Int, at target: UnsafeMutableRawPointer) {
    var rest = value
    var at = digits - 1
    while at >= 0 {
        target.storeBytes(of: UInt8(truncatingIfNeeded: 0x30 + rest % 10), toByteOffset: at, as: UInt8.self)
        rest /= 10
        at -= 1
    }
}

/// Writes the low 32 bits of `value` as eight upper-case hexadecimal digits.
@inlinable
public func putHex(_ value: UInt32, at target: UnsafeMutableRawPointer) {
    var at = 0
    while at < 8 {
        let nibble = UInt8(truncatingIfNeeded: value >> UInt32(28 - 4 * at)) & 15
        target.storeBytes(of: nibble < 10 ? 0x30 + nibble : 0x37 + nibble, toByteOffset: at, as: UInt8.self)
        at += 1
    }
}
