public import MQBytes

/// The checksum over a whole record that may stand at its end, as its last property (`enabledAppendPropCRC`):
/// `__CRC32#` 01, ten digits, the lowest first, 02. It covers what comes before it, with the top bit of the CRC-32 cleared.
/// Source: `MessageDecoder.createCrc32`, `CommitLog.java`, RocketMQ 5.3.
public enum RecordChecksum {
    /// Bytes it takes at the record's end.
    public static let byteCount = 20
    private static let name: StaticString = "__CRC32#"
    private static let digitCount = 10

    /// Makes room for it behind the properties in `buffer`, which begin at `start`; one that came with them goes.
    public static func reserve(in buffer: inout ByteBuffer, from start: Int) {
        remove(from: &buffer, from: start)
        let isOpen = buffer.withBytes(start..<buffer.count) { $0.count > 0 && $0[$0.count - 1] != Properties.valueEnd }
        if isOpen { buffer.append(Properties.valueEnd) }
        buffer.append(name)
        buffer.append(Properties.nameEnd)
        buffer.append(repeating: UInt8(ascii: "0"), count: digitCount)
        buffer.append(Properties.valueEnd)
    }

    /// A message that is stored again brings the checksum of its first record along.
    private static func remove(from buffer: inout ByteBuffer, from start: Int) {
        let kept = buffer.withBytes(start..<buffer.count) { text -> [UInt8]? in
            guard Properties.value(of: name, in: text) != nil else { return nil }
            var kept: [UInt8] = []
            Properties.forEach(in: text) { key, value in
                if !text.extracting(key).equals(name) {
                    kept += text.extracting(key.lowerBound..<value.upperBound).toArray() + [Properties.valueEnd]
                }
                return true
            }
            return kept
        }
        guard let kept else { return }
        buffer.truncate(to: start)
        buffer.append(kept)
    }

    /// Writes the checksum of the record at `start`, which is complete but for it.
    /// - Precondition: ``reserve(in:from:)`` made room at the record's end.
    public static func store(in buffer: inout ByteBuffer, recordAt start: Int, byteCount: Int) {
        let end = start + byteCount
        var rest = buffer.withBytes(start..<(end - Self.byteCount)) { UInt32(bitPattern: RecordLayout.storedCRC($0)) }
        for index in 0..<digitCount {
            buffer.store(bigEndian: UInt8(ascii: "0") + UInt8(rest % 10), at: end - 1 - digitCount + index)
            rest /= 10
        }
    }

    /// The checksum at the end of a record; `nil` if none is there.
    static func value(atEndOf record: Span<UInt8>) -> UInt32? {
        guard record.count >= byteCount else { return nil }
        let tail = record.extracting((record.count - byteCount)..<record.count)
        guard tail.extracting(0..<8).equals(name), tail[8] == Properties.nameEnd, tail[19] == Properties.valueEnd else {
            return nil
        }
        var value: UInt64 = 0
        for index in (9..<19).reversed() {
            guard (48...57).contains(tail[index]) else { return nil }
            value = value * 10 + UInt64(tail[index] - 48)
        }
        return UInt32(exactly: value)
    }
}

extension MessageRecord {
    /// Whether this record, which `bytes` begins with, has the checksum over all of it that stands at its end. A record without
    /// one is taken as it is: it was stored before `enabledAppendPropCRC` was on.
    public func hasIntactWhole(_ bytes: Span<UInt8>) -> Bool {
        let whole = bytes.extracting(0..<byteCount)
        guard let wanted = RecordChecksum.value(atEndOf: whole) else { return true }
        let covered = whole.extracting(0..<(byteCount - RecordChecksum.byteCount))
        return UInt32(bitPattern: RecordLayout.storedCRC(covered)) == wanted
    }
}
