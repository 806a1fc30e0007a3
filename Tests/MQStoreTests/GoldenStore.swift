import Foundation
import MQStore
import MQTestKit
import Testing

/// A store that Java RocketMQ wrote, with what Java said is in it. Its README tells how it was made.
struct GoldenStore: CustomTestStringConvertible, Sendable {
    let version: String
    let kind: String

    var isCrashed: Bool { kind == "crashed" }
    var testDescription: String { "\(version) \(kind)" }

    static let all = Golden.versions.flatMap { version in
        ["clean", "crashed"].map { GoldenStore(version: version, kind: $0) }
    }

    func manifest() throws -> Manifest {
        try JSONDecoder().decode(Manifest.self, from: Golden.manifest(version: version, state: kind))
    }

    /// Unpacks the store into `folder` and returns its root.
    func unpack(into folder: URL) throws -> URL {
        try Golden.unpackStore(version: version, state: kind, into: folder)
    }

    /// The configuration the store was written with.
    func config(_ manifest: Manifest, root: URL) -> StoreConfig {
        var config = StoreConfig(root: root.path)
        config.commitLogFileByteCount = manifest.brokerExtraConfig.mappedFileSizeCommitLog
        config.consumeQueueFileByteCount = manifest.brokerExtraConfig.mappedFileSizeConsumeQueue
        config.indexSlotCount = manifest.brokerExtraConfig.maxHashSlotNum
        config.indexEntryCount = manifest.brokerExtraConfig.maxIndexNum
        config.extensionFileByteCount = manifest.brokerExtraConfig.mappedFileSizeConsumeQueueExt
        config.isExtensionWritten = manifest.brokerExtraConfig.enableConsumeQueueExt == "true"
        config.isFlushSynchronous = true
        config.fillsFilesAhead = false
        config.delayLevels = delayLevels
        return config
    }
}

/// RocketMQ's default `messageDelayLevel`, milliseconds.
let delayLevels: [Int64] = [
    1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200,
].map { $0 * 1000 }

/// What a correct reader of a golden store must show.
struct Manifest: Decodable {
    struct ExtraConfig: Decodable {
        let mappedFileSizeCommitLog: Int
        let mappedFileSizeConsumeQueue: Int
        let mappedFileSizeConsumeQueueExt: Int
        let enableConsumeQueueExt: String?
        let maxHashSlotNum: Int
        let maxIndexNum: Int
    }

    struct CommitLog: Decodable {
        let recordsInFolder: Int
        let endOfLastRecord: Int64
        let endOfFileBlanks_offset_size: [[Int64]]
        let recordsNotReadableByPull_decodedFromFolder: [Message]
    }

    struct Topic: Decodable {
        let queues: [String: Queue]?
    }

    struct Queue: Decodable {
        let minOffset: Int64
        let maxOffset: Int64
        let messages: [Message]
    }

    struct Message: Decodable {
        let topic: String?
        let queueId: Int?
        let queueOffset: Int64
        let physicalOffset: Int64
        let size: Int
        let magic: String
        let offsetMsgId: String
        let bodyCrc: Int32
        let bodyLength: Int
        let storeTimestamp: Int64
        let bornTimestamp: Int64
        let bornHost: String
        let storeHost: String
        let flag: Int32
        let sysFlag: Int32
        let reconsumeTimes: Int32
        let preparedTransactionOffset: Int64
        let properties: [String: String]
        let recordSha256: String
    }

    struct Query: Decodable {
        let topic: String
        let key: String
        let code: Int
        let maxNum: Int
        let queueId_queueOffset_physicalOffset: [[Int64]]?
    }

    let brokerExtraConfig: ExtraConfig
    let commitLog: CommitLog
    let topics: [String: Topic]
    let queryByKey: [Query]
    let queryByUniqKey: [Query]
    let acknowledgedBeforeKill_topic_queueOffset_offsetMsgId_uniqKey: [[String]]?
}

/// Runs a program of the system to its end.
func run(_ program: String, _ arguments: String...) throws {
    let process = Process()
    process.executableURL = URL(filePath: program)
    process.arguments = arguments
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw TestFailure("\(program) \(arguments) failed") }
}
