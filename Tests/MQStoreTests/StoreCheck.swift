import Foundation
import MQTestKit
import Testing

@testable import MQStore

/// What `python/check_store.py` says about a store folder. It reads the files from their published layout alone and shares
/// no code with the store.
struct StoreCheck: Decodable {
    let problems: [String]
    let records: Int
    let queuedRecords: Int
    let crcRecords: Int
    let v2Records: Int
    let longHosts: Int
    let innerBatches: Int
    let logStart: Int64
    let logEnd: Int64
    /// Offset and size of each blank at the end of a file.
    let blanks: [[Int64]]
    /// `topic/queue` → first and next offset.
    let queues: [String: [Int64]]
    /// Queue units whose tags code lies in an extension.
    let extUnits: Int
    /// Blanks between units.
    let gaps: Int
    /// What lies in the store's folder.
    let names: [String]

    private struct Options: Encodable {
        let root: String
        let log: [String]
        let logFile: Int
        let queueFile: Int
        let extFile: Int
        let batchFile: Int
        let slots: Int
        let entries: Int
        let levels: [Int64]
        let closed: Bool
        let exact: Bool
    }

    /// Checks the folder of `config`.
    /// - Parameters:
    ///   - isClosed: the last run ended in order.
    ///   - isExact: the checkpoint knows the last record, as Apus leaves it and Java does not.
    static func run(_ config: StoreConfig, isClosed: Bool = true, isExact: Bool = true) throws -> StoreCheck {
        let options = Options(
            root: config.root, log: config.commitLogPaths, logFile: config.commitLogFileByteCount,
            queueFile: config.consumeQueueFileByteCount, extFile: config.extensionFileByteCount, batchFile: 4600,
            slots: config.indexSlotCount, entries: config.indexEntryCount, levels: config.delayLevels,
            closed: isClosed, exact: isExact)
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "python/check_store.py")
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            "python3", script.path, String(decoding: try JSONEncoder().encode(options), as: UTF8.self),
        ]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw TestFailure("check_store.py failed") }
        return try JSONDecoder().decode(StoreCheck.self, from: bytes)
    }
}
