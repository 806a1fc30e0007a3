import MQBytes

/// What a consume queue's unit may point to instead of carrying its tags code, big-endian:
/// `| size i16 | tagsCode i64 | storeTimestamp i64 | bitMapSize i16 | bitMap |`.
/// The bit map tells which SQL filters want the message. Source: `ConsumeQueueExt.java`, RocketMQ 4.9 and 5.3.
package struct ExtensionUnit: Equatable, Sendable {
    /// Bytes of a unit without a bit map.
    package static let byteCountMin = 20
    /// Bytes of the longest unit: the size is a signed 16-bit number.
    static let byteCountMax = Int(Int16.max)
    /// Kept free at the end of a file: where the next unit does not fit, it begins with ``endMark``.
    static let blankByteCount = 4
    /// Stands in the place of a size: the rest of the file is unused.
    static let endMark: Int16 = -1

    /// Java's hash code of the tags, or when a delayed message is due.
    package let tagsCode: Int64
    /// When the message was stored, milliseconds.
    package let storeTimestamp: Int64
    var bitMap: [UInt8] = []

    /// Bytes of the unit.
    var byteCount: Int { Self.byteCountMin + bitMap.count }

    /// - Precondition: the bit map fits.
    func append(to bytes: inout [UInt8]) {
        precondition(byteCount <= Self.byteCountMax, "a bit map of \(bitMap.count) bytes")
        var unit = ByteBuffer(capacity: byteCount)
        unit.append(bigEndian: Int16(byteCount))
        unit.append(bigEndian: tagsCode)
        unit.append(bigEndian: storeTimestamp)
        unit.append(bigEndian: Int16(bitMap.count))
        unit.append(bitMap)
        bytes += unit.toArray()
    }

    /// The size of the unit at `offset`, if its head is there and can be one.
    package static func byteCount(_ bytes: Span<UInt8>, at offset: Int) -> Int? {
        guard offset >= 0, bytes.count - offset >= byteCountMin else { return nil }
        let size = Int(bytes.int16(at: offset))
        let bits = Int(bytes.int16(at: offset + 18))
        return bits >= 0 && size == byteCountMin + bits ? size : nil
    }

    /// The tags code of the unit at `offset`; the bit map need not be there.
    static func tagsCode(_ bytes: Span<UInt8>, at offset: Int) -> Int64? {
        byteCount(bytes, at: offset) == nil ? nil : bytes.int64(at: offset + 2)
    }

    /// The unit at `offset`; `nil` if there is none.
    init?(_ bytes: Span<UInt8>, at offset: Int) {
        guard let size = Self.byteCount(bytes, at: offset), bytes.count - offset >= size else { return nil }
        tagsCode = bytes.int64(at: offset + 2)
        storeTimestamp = bytes.int64(at: offset + 10)
        bitMap = bytes.extracting((offset + Self.byteCountMin)..<(offset + size)).toArray()
    }

    init(tagsCode: Int64, storeTimestamp: Int64, bitMap: [UInt8] = []) {
        self.tagsCode = tagsCode
        self.storeTimestamp = storeTimestamp
        self.bitMap = bitMap
    }
}

/// The place of an extension unit, as it stands in a queue's unit in place of the tags code: the position in bytes from the
/// extension's beginning, counted from the smallest integer, so that no hash code can be taken for one.
package enum ExtensionAddress {
    private static let max: Int64 = Int64(Int32.min) - 1

    /// Whether `code` is an address and no hash code.
    static func isAddress(_ code: Int64) -> Bool { code <= max }

    /// Bytes from the extension's beginning; negative for what is no address.
    package static func position(_ address: Int64) -> Int64 { address &- .min }

    static func address(_ position: Int64) -> Int64 { position &+ .min }
}
