import Foundation
import MQBase
import MQBytes
import MQMessage
import MQObserve
import MQStore

/// A small sound store: its files, and what it must serve.
struct Sample {
    struct Place: Hashable {
        let topic: String
        let queueID: Int
        let offset: Int64
    }

    /// Content by path below the root.
    let files: [String: [UInt8]]
    let bodies: [Place: [UInt8]]

    /// Where all stores of this process are; in memory where there is room for it.
    static let folder: String = {
        let base = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : NSTemporaryDirectory()
        let path = base + "/apus-fuzz-\(ProcessInfo.processInfo.processIdentifier)"
        atexit { try? FileManager.default.removeItem(atPath: Sample.folder) }
        return path
    }()

    static func config(_ root: String) -> StoreConfig {
        var config = StoreConfig(root: root)
        config.commitLogFileByteCount = 1 << 16
        config.consumeQueueFileByteCount = 2000
        config.indexSlotCount = 50
        config.indexEntryCount = 200
        config.fillsFilesAhead = false
        return config
    }

    /// A store that was stopped, one whose process died, one whose machine died, and one that RocketMQ could have left.
    static let all: [Sample] = [
        make(isClosed: true), make(isClosed: false), make(isClosed: false, abort: "17\nanother boot\n"),
        make(isClosed: false, abort: "17\n", hasPoint: false), make(isClosed: true, hasPoint: false),
    ]

    private static func make(isClosed: Bool, abort: String? = nil, hasPoint: Bool = true) -> Sample {
        let root = folder + "/sample"
        var bodies: [Place: [UInt8]] = [:]
        for part in 0..<2 {
            guard let store = try? MessageStore(config(root), log: .silent) else { fatalError("no sample store") }
            store.start(MessageStore.Events(arrived: { _ in }, flushed: {}))
            for number in 0..<150 {
                let (topic, queueID) = (number % 3 == 0 ? "T" : "Other", number % 2)
                let body = Array("\(part) \(number) ".utf8) + [UInt8](repeating: UInt8(number), count: number * 7 % 900)
                let batch = AppendBatch()
                stage(topic, queueID, body, key: "k\(number)", in: store, batch)
                guard (try? store.append(batch, at: Timestamp(rawValue: 1_700_000_000_000 + Int64(number)))) != nil
                else { fatalError("the sample takes nothing") }
                bodies[Place(topic: topic, queueID: queueID, offset: batch.entries[0].queueOffset)] = body
            }
            while store.dispatchedOffset < store.writtenOffset { usleep(1000) }
            if part == 0 || isClosed { store.stop() } else { return take(root, bodies, abort, hasPoint, store) }
        }
        return take(root, bodies, abort, hasPoint, nil)
    }

    /// Reads the files, as they are while `running` has them, and removes them.
    private static func take(
        _ root: String, _ bodies: [Place: [UInt8]], _ abort: String?, _ hasPoint: Bool, _ running: MessageStore?
    ) -> Sample {
        var files: [String: [UInt8]] = [:]
        for case let path as String in FileManager.default.enumerator(atPath: root) ?? .init() {
            var isFolder: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: root + "/" + path, isDirectory: &isFolder)
            guard !isFolder.boolValue else { continue }
            files[path] = FileManager.default.contents(atPath: root + "/" + path).map { Array($0) }
        }
        running?.stop()
        if let abort { files["abort"] = Array(abort.utf8) }
        if !hasPoint { files["recovery"] = nil }
        try? FileManager.default.removeItem(atPath: root)
        return Sample(files: files, bodies: bodies)
    }

    static func stage(
        _ topic: String, _ queueID: Int, _ body: [UInt8], key: String, in store: MessageStore, _ batch: AppendBatch
    ) {
        let host = MessageHost(ip: [127, 0, 0, 1], port: 1)
        let head = RecordHead(
            queueID: Int32(queueID), flag: 0, sysFlag: [], bornTimestamp: Timestamp(rawValue: 1), bornHost: host,
            storeHost: host)
        let name = Array(topic.utf8)
        let staged: Void? = try? batch.stage(
            head, topic: name.span, body: body.span, in: store.queue(topic, queueID)
        ) { buffer in buffer.append(Properties.encode([("KEYS", key), ("TAGS", "A")])) }
        precondition(staged != nil)
    }

    /// Makes the folder `root` hold `files` and nothing else.
    func write(_ files: [String: [UInt8]], to root: String) {
        let manager = FileManager.default
        try? manager.removeItem(atPath: root)
        for folder in ["commitlog", "consumequeue", "index", "config"] {
            try? manager.createDirectory(atPath: root + "/" + folder, withIntermediateDirectories: true)
        }
        for (path, bytes) in files {
            let full = root + "/" + path
            if path.contains("/") {
                let folder = (full as NSString).deletingLastPathComponent
                try? manager.createDirectory(atPath: folder, withIntermediateDirectories: true)
            }
            _ = manager.createFile(atPath: full, contents: Data(bytes))
        }
    }
}
