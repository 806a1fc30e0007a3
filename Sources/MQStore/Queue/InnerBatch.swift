import MQBytes
import MQMessage

/// A record that holds several messages: what it says of them.
package struct InnerBatch {
    /// The queue offset of its first message.
    package let baseOffset: Int64
    /// How many they are, 1...``BatchUnit/messageCountMax``.
    package let messageCount: Int16

    /// What a record with the flag `innerBatch` says; one that lacks INNER_NUM or INNER_BASE counts as one message at the
    /// record's own offset. The last property of a name counts, as in a map.
    /// - Returns: `nil` if the numbers can be none of a queue.
    ///
    /// Source: `CommitLog.java` `setBatchSizeIfNeeded`, RocketMQ 5.3.
    package init?(_ properties: Span<UInt8>, queueOffset: Int64) {
        var number: Range<Int>?
        var base: Range<Int>?
        Properties.forEach(in: properties) { name, value in
            let key = properties.extracting(name)
            if key.equals(PropertyName.innerNumber) { number = value }
            if key.equals(PropertyName.innerBase) { base = value }
            return true
        }
        guard let number, let base else {
            guard queueOffset >= 0 else { return nil }
            (baseOffset, messageCount) = (queueOffset, 1)
            return
        }
        guard let count = Decimal.parse(properties.extracting(number)),
            let first = Decimal.parse(properties.extracting(base)), (1...Int64(Int16.max)).contains(count), first >= 0
        else { return nil }
        (baseOffset, messageCount) = (first, Int16(count))
    }

    /// Digits of INNER_BASE: always as many, because the record's length is known before its offset is. Readers take it for
    /// the number that it is.
    static let digitCount = 19

    /// Bytes from the first of the digits to the end of the property.
    static let baseTailByteCount = digitCount + 1

    /// Appends INNER_BASE to the properties in `buffer`, which begin at `start`; one that came with them counts no more,
    /// because it stands before it.
    static func reserveBase(in buffer: inout ByteBuffer, from start: Int) {
        let isOpen = buffer.withBytes(start..<buffer.count) { $0.count > 0 && $0[$0.count - 1] != Properties.valueEnd }
        if isOpen { buffer.append(Properties.valueEnd) }
        buffer.append(PropertyName.innerBase)
        buffer.append(Properties.nameEnd)
        buffer.append(repeating: UInt8(ascii: "0"), count: digitCount)
        buffer.append(Properties.valueEnd)
    }

    /// Writes the digits.
    static func store(base: Int64, in buffer: inout ByteBuffer, at offset: Int) {
        var rest = base
        for index in (offset..<offset + digitCount).reversed() {
            buffer.store(bigEndian: UInt8(ascii: "0") + UInt8(rest % 10), at: index)
            rest /= 10
        }
    }
}
