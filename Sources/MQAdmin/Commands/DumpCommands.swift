import MQBase
import MQBytes
import MQJSON
import MQSystem
import RocketMQClient

let dumpCommands: [Command] = [
    .listing(
        "dumpCompactionLog", "Parse compaction log to message.", [.value("f", "file", "to dump file name")]
    ) { arguments, _, output in
        guard let path = arguments["f"] else { throw ClientError.invalid("miss dump log file name: give it with -f") }
        guard Directory.exists(path) else { throw ClientError.invalid("file \(path) not exist.") }
        guard !Directory.exists(path + "/.") else { throw ClientError.invalid("file \(path) is a directory.") }
        output.list("messages")
        if let damage = try dump(path, output) { throw ClientError.invalid("\(path): \(damage)") }
    }
]

/// - Returns: why not all of the file could be read.
private func dump(_ path: String, _ output: Output) throws(ClientError) -> String? {
    do throws(SystemError) {
        var records = try RecordFile(path)
        while let message = try records.next() { show(message, output) }
        return records.damage
    } catch {
        throw .system(error.description)
    }
}

private func show(_ message: MessageExt, _ output: Output) {
    guard output.isJSON else { return output.put(message.description(withBody: false) + "\n") }
    output.item(
        "messages",
        [
            "topic": .string(message.topic), "queueId": .integer(Int64(message.queueID)),
            "queueOffset": .integer(message.queueOffset), "keys": JSON(message.keys), "tags": JSON(message.tags),
            "storeTimestamp": .integer(message.storeTimestamp.rawValue),
            "bodySize": .integer(Int64(message.body.count)),
        ], "")
}

/// Records back to back at the start of a file: RocketMQ's compaction log, or what Apus keeps of a compacted queue.
struct RecordFile {
    /// The whole record may have at most so many bytes.
    private static let recordByteCountMax = 64 << 20
    private static let footerByteCount = 40
    private static let footerMagic: Int64 = 0x4150_5553_434D_5031  // "APUSCMP1"
    /// Of what Java fills the end of a file with.
    private static let blankMagic = Int32(bitPattern: 0xCBD4_3194)

    private let file: File
    private var position = 0
    /// Where records end.
    private let end: Int
    /// Why reading ended before the records did.
    private(set) var damage: String?

    init(_ path: String) throws(SystemError) {
        file = try File(path, .read)
        let byteCount = try file.byteCount()
        var footer = ByteBuffer(capacity: Self.footerByteCount)
        let at = byteCount - Self.footerByteCount
        if at >= 0, try file.read(Self.footerByteCount, at: at, into: &footer) == Self.footerByteCount,
            footer.span.int64(at: 0) == Self.footerMagic, let units = Int(exactly: footer.span.int64(at: 8)),
            (0...at).contains(units)
        {
            end = units
        } else {
            end = byteCount
        }
    }

    /// The next record; `nil` at the end, or where none can be read (``damage``).
    mutating func next() throws(SystemError) -> MessageExt? {
        guard position + 8 <= end else { return nil }
        var head = ByteBuffer(capacity: 8)
        guard try file.read(8, at: position, into: &head) == 8 else { return nil }
        let size = Int(head.span.int32(at: 0))
        guard size != 0, head.span.int32(at: 4) != Self.blankMagic else { return nil }
        guard (8...Self.recordByteCountMax).contains(size), position + size <= end else {
            return stop("a record of \(size) bytes cannot begin at byte \(position)")
        }
        var record = ByteBuffer(capacity: size)
        guard try file.read(size, at: position, into: &record) == size else { return nil }
        do {
            let message = try MessageExt(record.span)
            position += size
            return message
        } catch {
            return stop("the bytes at \(position) are no record: \(error)")
        }
    }

    private mutating func stop(_ reason: String) -> MessageExt? {
        damage = reason
        return nil
    }
}
