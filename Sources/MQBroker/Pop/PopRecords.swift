import MQBytes
import MQMessage
import MQStore
import MQSystem

/// Records of one queue that a pop found, taken apart as far as it must know them.
struct PopRecords {
    /// What an answer's body is made of.
    enum Piece {
        /// Bytes of the log, as they lie there.
        case ranges(LogRanges)
        /// Bytes that were copied.
        case bytes([UInt8])
    }

    /// Position of each message in its queue.
    private(set) var offsets: [Int64] = []
    private(set) var piece: Piece

    /// Looks through what a read found: the numbers at the records' beginnings, nothing else.
    /// - Parameter copy: the records, if they may not be touched where they lie.
    /// - Returns: `nil` if the log does not hold what the queue says.
    init?(_ ranges: LogRanges, copy: [UInt8]?) {
        if let copy {
            piece = .bytes(copy)
            guard Self.walk(copy.span, { offset, _ in offsets.append(offset) }) else { return nil }
            return
        }
        piece = .ranges(ranges)
        for file in ranges.files {
            for run in ranges.runs[file.runs] {
                guard Self.walk(file.mapping.bytes(run), { offset, _ in offsets.append(offset) }) else { return nil }
            }
        }
    }

    /// - Returns: whether the records fill the bytes.
    private static func walk(_ bytes: Span<UInt8>, _ body: (Int64, Range<Int>) -> Void) -> Bool {
        var position = 0
        while bytes.count - position >= RecordLayout.byteCountMin {
            let size = Int(bytes.int32(at: position))
            guard size >= RecordLayout.byteCountMin, size <= bytes.count - position else { return false }
            body(bytes.int64(at: position + RecordLayout.queueOffset), position..<position + size)
            position += size
        }
        return position == bytes.count
    }

    private func copied() -> [UInt8] {
        switch piece {
        case .bytes(let bytes): return bytes
        case .ranges(let ranges):
            var bytes = ByteBuffer(capacity: ranges.runs.reduce(0) { $0 + $1.count })
            for file in ranges.files { for run in ranges.runs[file.runs] { bytes.append(file.mapping.bytes(run)) } }
            return bytes.toArray()
        }
    }

    /// Leaves out all but the messages at `kept`.
    mutating func keep(_ kept: [Int64]) {
        guard kept != offsets else { return }
        let all = copied()
        var bytes = ByteBuffer(capacity: all.count)
        _ = Self.walk(all.span) { offset, range in
            if kept.contains(offset) { bytes.append(all.span.extracting(range)) }
        }
        offsets = kept
        piece = .bytes(bytes.toArray())
    }

    /// Puts the messages under the topic that was asked for, each with its handle as a property.
    /// - Parameter handle: appends the handle of the message of a queue at an offset.
    ///
    /// Source: `PopMessageProcessor.java` `popMsgFromQueue`, RocketMQ 5.3.
    mutating func rename(to topic: String, handle: (_ queueID: Int32, _ offset: Int64, inout ByteBuffer) -> Void) {
        let all = copied()
        var bytes = ByteBuffer(capacity: all.count + offsets.count * 128)
        _ = Self.walk(all.span) { offset, range in
            let record = all.span.extracting(range)
            if !Self.append(record, as: topic, handle, to: &bytes) { bytes.append(record) }
        }
        piece = .bytes(bytes.toArray())
    }

    private static func append(
        _ record: Span<UInt8>, as topic: String, _ handle: (Int32, Int64, inout ByteBuffer) -> Void,
        to buffer: inout ByteBuffer
    ) -> Bool {
        guard let outline = try? RecordOutline(record) else { return false }  // the client sees it as it is
        let start = buffer.count
        let isLong = topic.utf8.count > 127
        buffer.append(record.extracting(0..<outline.body.upperBound))
        if isLong { buffer.append(bigEndian: Int16(topic.utf8.count)) } else { buffer.append(UInt8(topic.utf8.count)) }
        buffer.append(utf8: topic)
        let lengthAt = buffer.count
        buffer.append(bigEndian: Int16(0))
        let properties = record.extracting(outline.properties)
        Properties.forEach(in: properties) { name, value in
            guard !properties.extracting(name).equals(PropertyName.popCheckPoint) else { return true }
            buffer.append(properties.extracting(name.lowerBound..<value.upperBound))
            buffer.append(Properties.valueEnd)
            return true
        }
        buffer.append(PropertyName.popCheckPoint)
        buffer.append(Properties.nameEnd)
        handle(outline.queueID, outline.queueOffset, &buffer)
        buffer.append(Properties.valueEnd)
        let byteCount = buffer.count - lengthAt - 2
        guard byteCount <= Properties.byteCountMax else {
            buffer.truncate(to: start)
            return false
        }
        buffer.store(bigEndian: Int16(byteCount), at: lengthAt)
        buffer.store(bigEndian: Int32(buffer.count - start), at: start)
        buffer.store(bigEndian: isLong ? RecordLayout.magicV2 : RecordLayout.magicV1, at: start + RecordLayout.magic)
        return true
    }
}
