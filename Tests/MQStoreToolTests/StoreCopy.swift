import Foundation
import MQBytes
import MQObserve
import MQStore
import MQSystem
import MQTestKit
import Testing

@testable import MQStoreTool

/// A golden store in a folder of its own, to be damaged, with what Java's manifest says of it.
final class StoreCopy {
    struct Message {
        let topic: String
        let queueID: Int
        let queueOffset: Int64
        let physicalOffset: Int
        let size: Int
    }

    static let logFileByteCount = 1 << 20
    static let queueFileByteCount = 6000

    let folder: TemporaryFolder
    let root: String
    private let manifest: [String: Any]

    init(version: String = "5.3.3", state: String = "clean") throws {
        folder = try TemporaryFolder("apus-mqstore")
        root = try Golden.unpackStore(version: version, state: state, into: folder.url).path
        let data = try Golden.manifest(version: version, state: state)
        manifest = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    // MARK: - What Java said

    private var commitLog: [String: Any] { manifest["commitLog"] as? [String: Any] ?? [:] }
    var recordCount: Int { commitLog["recordsInFolder"] as? Int ?? -1 }
    var endOfLastRecord: Int { commitLog["endOfLastRecord"] as? Int ?? -1 }
    var blanks: [Int] { (commitLog["endOfFileBlanks_offset_size"] as? [[Int]] ?? []).map { $0[0] } }

    /// Topic → queue → messages.
    var queues: [String: [Int: [Message]]] {
        var found: [String: [Int: [Message]]] = [:]
        for (topic, value) in manifest["topics"] as? [String: [String: Any]] ?? [:] {
            for (id, queue) in value["queues"] as? [String: [String: Any]] ?? [:] {
                found[topic, default: [:]][Int(id) ?? -1] = (queue["messages"] as? [[String: Any]] ?? []).map {
                    Message(
                        topic: topic, queueID: Int(id) ?? -1,
                        queueOffset: ($0["queueOffset"] as? NSNumber)?.int64Value ?? -1,
                        physicalOffset: $0["physicalOffset"] as? Int ?? -1, size: $0["size"] as? Int ?? -1)
                }
            }
        }
        return found
    }

    func message(_ topic: String = "gold_normal", _ queueID: Int = 1, _ number: Int = 5) throws -> Message {
        try #require(queues[topic]?[queueID]?[number])
    }

    // MARK: - Places

    /// The file of the log that holds an offset, and where in it.
    func logPlace(_ offset: Int) -> (file: String, at: Int) {
        let start = offset / Self.logFileByteCount * Self.logFileByteCount
        return ("commitlog/" + StoreFileName.file(at: Int64(start)), offset - start)
    }

    /// The file and position of a queue's unit.
    func unitPlace(_ message: Message) -> (file: String, at: Int) {
        let position = Int(message.queueOffset) * 20
        let start = position / Self.queueFileByteCount * Self.queueFileByteCount
        let file = "consumequeue/\(message.topic)/\(message.queueID)/" + StoreFileName.file(at: Int64(start))
        return (file, position - start)
    }

    func path(_ name: String) -> String { root + "/" + name }

    func names(_ folder: String) throws -> [String] { try Directory.names(in: path(folder)) }

    // MARK: - Damage

    func write(_ bytes: [UInt8], _ file: String, at: Int) throws {
        try File(path(file), .readWrite).write(bytes.span, at: at)
    }

    func read(_ file: String, at: Int, _ count: Int) throws -> [UInt8] {
        var bytes = ByteBuffer()
        try File(path(file), .read).read(count, at: at, into: &bytes)
        return bytes.toArray()
    }

    /// Turns the bits of one byte.
    func flip(_ place: (file: String, at: Int), _ offset: Int = 0) throws {
        let old = try read(place.file, at: place.at + offset, 1)
        try write([old[0] ^ 0x55], place.file, at: place.at + offset)
    }

    func remove(_ name: String) throws { try Directory.removeTree(path(name)) }

    func swap(_ left: String, _ right: String) throws { try Directory.exchange(path(left), path(right)) }

    func truncate(_ file: String, to byteCount: Int) throws {
        try File(path(file), .readWrite).truncate(to: byteCount)
    }

    // MARK: - Commands

    /// Runs `mqstore` in this process.
    func run(_ arguments: String...) -> (code: Int32, output: String, errors: String) {
        var output = ""
        var errors = ""
        var words = arguments
        words.insert(root, at: 1)
        let code = StoreCommand.run(words, output: { output += $0 }, complain: { errors += $0 + "\n" })
        return (code, output, errors)
    }

    /// What verify finds.
    func verify(_ change: (inout Verify.Options) -> Void = { _ in }) throws -> Verify.Outcome {
        var options = Verify.Options()
        change(&options)
        var settings = StoreSettings()
        settings.logFileByteCount = Self.logFileByteCount
        settings.queueFileByteCount = Self.queueFileByteCount
        (settings.indexSlotCount, settings.indexEntryCount) = (1000, 4000)
        return try Verify(folder: try StoreFolder(root, settings), options: options, output: TextOutput { _ in }).run()
    }

    /// As brokers open it.
    func open() throws -> MessageStore {
        var config = StoreConfig(root: root)
        config.commitLogFileByteCount = Self.logFileByteCount
        config.consumeQueueFileByteCount = Self.queueFileByteCount
        (config.indexSlotCount, config.indexEntryCount) = (1000, 4000)
        config.fillsFilesAhead = false
        config.delayLevels = StoreSettings().delayLevels
        return try MessageStore(config, log: .silent)
    }
}

extension Verify.Outcome {
    /// Whether one of the findings is of that kind and weight, at that place.
    func has(_ kind: FindingKind, _ weight: FindingWeight, _ file: String, at: Int? = nil) -> Bool {
        report.printed.contains {
            $0.kind == kind && $0.weight == weight && $0.path == file && (at == nil || $0.offset == at.map(Int64.init))
        }
    }

    /// As ``has(_:_:_:at:)``, for an error.
    func has(_ kind: FindingKind, _ file: String, at: Int? = nil) -> Bool { has(kind, .error, file, at: at) }

    var texts: [String] {
        report.printed.map { "\($0.weight) \($0.kind.rawValue) \($0.path) \($0.offset ?? -1) \($0.text)" }
    }
}
