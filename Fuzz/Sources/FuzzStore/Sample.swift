import Foundation
import MQBase
import MQBytes
import MQMessage
import MQObserve
import MQStore
import MQSystem

/// A small sound store: its files, and what it may serve. Small files, so that an input costs little.
struct Sample {
    /// Content by path below the root.
    let files: [String: [UInt8]]
    /// All bodies that were stored.
    let bodies: Set<[UInt8]>
    /// The records as they were stored, by their place.
    let records: [Int64: [UInt8]]
    /// Whether queues have extensions.
    let hasExtensions: Bool

    static let logFileByteCount = 1 << 13

    /// Where all stores of this process are; in memory where there is room for it.
    static let folder: String = {
        let base = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : NSTemporaryDirectory()
        let path = base + "/apus-fuzz-\(ProcessInfo.processInfo.processIdentifier)"
        atexit { try? FileManager.default.removeItem(atPath: Sample.folder) }
        return path
    }()

    static func config(_ root: String, hasExtensions: Bool) -> StoreConfig {
        var config = StoreConfig(root: root)
        config.commitLogFileByteCount = logFileByteCount
        config.consumeQueueFileByteCount = 200
        config.batchQueueFileByteCount = 46 * 5
        config.extensionFileByteCount = 200
        config.isExtensionWritten = hasExtensions
        config.indexSlotCount = 10
        config.indexEntryCount = 40
        config.messageByteCountMax = 4096
        config.fillsFilesAhead = false
        return config
    }

    func config(_ root: String) -> StoreConfig { Self.config(root, hasExtensions: hasExtensions) }

    /// A store that was stopped, one whose process died, one whose machine died, one that RocketMQ could have left, and two
    /// with extensions.
    static let all: [Sample] = [
        make(isClosed: true), make(isClosed: false), make(isClosed: false, abort: "17\nanother boot\n"),
        make(isClosed: false, abort: "17\n", hasPoint: false), make(isClosed: true, hasPoint: false),
        make(isClosed: true, hasExtensions: true),
        make(isClosed: false, abort: "17\nanother boot\n", hasExtensions: true),
    ]

    private static func make(
        isClosed: Bool, abort: String? = nil, hasPoint: Bool = true, hasExtensions: Bool = false
    ) -> Sample {
        let root = folder + "/sample"
        var bodies: Set<[UInt8]> = [Array("after".utf8)]
        for part in 0..<2 {
            guard
                let store = try? MessageStore(
                    config(root, hasExtensions: hasExtensions), batchTopics: ["B"], log: .silent)
            else { fatalError("no sample store") }
            store.start(MessageStore.Events(arrived: { _ in }, flushed: {}))
            for number in 0..<36 {
                let topic = ["T", "Other", "T", "B"][number % 4]
                let body = Array("\(part) \(number) ".utf8) + [UInt8](repeating: UInt8(number), count: number * 7 % 300)
                let batch = AppendBatch()
                let inner: Int16? = topic == "B" && number % 8 == 3 ? Int16(2 + number % 3) : nil
                stage(topic, number / 4 % 2, body, key: "k\(number)", in: store, batch, inner: inner)
                guard (try? store.append(batch, at: Timestamp(rawValue: 1_700_000_000_000 + Int64(number)))) != nil
                else { fatalError("the sample takes nothing") }
                bodies.insert(body)
            }
            while store.dispatchedOffset < store.writtenOffset { usleep(1000) }
            let running = part == 0 || isClosed ? nil : store
            if running == nil { store.stop() }
            if part == 1 {
                return Sample(
                    files: take(root, abort, hasPoint, running), bodies: bodies, hasExtensions: hasExtensions)
            }
        }
        fatalError("no sample store")
    }

    private init(files: [String: [UInt8]], bodies: Set<[UInt8]>, hasExtensions: Bool) {
        self.files = files
        self.bodies = bodies
        self.hasExtensions = hasExtensions
        var records: [Int64: [UInt8]] = [:]
        for (path, bytes) in files where path.hasPrefix("commitlog/") {
            var position = 0
            while let record = try? MessageRecord(bytes.span.extracting(position..<bytes.count)) {
                records[record.physicalOffset] = Array(bytes[position..<position + record.byteCount])
                position += record.byteCount
            }
        }
        self.records = records
    }

    /// Reads the files, as they are while `running` has them, and removes them.
    private static func take(
        _ root: String, _ abort: String?, _ hasPoint: Bool, _ running: MessageStore?
    ) -> [String: [UInt8]] {
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
        return files
    }

    static func stage(
        _ topic: String, _ queueID: Int, _ body: [UInt8], key: String, in store: MessageStore, _ batch: AppendBatch,
        inner: Int16? = nil
    ) {
        let host = MessageHost(ip: [127, 0, 0, 1], port: 1)
        let head = RecordHead(
            queueID: Int32(queueID), flag: 0, sysFlag: inner == nil ? [] : [.innerBatch, .needUnwrap],
            bornTimestamp: Timestamp(rawValue: 1), bornHost: host, storeHost: host)
        let name = Array(topic.utf8)
        var properties = [("KEYS", key), ("TAGS", "A")]
        if let inner { properties.append(("INNER_NUM", String(inner))) }
        let staged: Void? = try? batch.stage(
            head, topic: name.span, body: body.span, in: store.queue(topic, queueID), innerCount: inner
        ) { buffer in buffer.append(Properties.encode(properties)) }
        precondition(staged != nil)
    }

    /// Makes the folder `root` hold `files` and nothing else.
    func write(_ files: [String: [UInt8]], to root: String) {
        do throws(SystemError) {
            try Directory.removeTree(root)
            for folder in ["commitlog", "consumequeue", "index", "config"] { try Directory.create(root + "/" + folder) }
            for (path, bytes) in files {
                let full = root + "/" + path
                if let slash = full.lastIndex(of: "/") { try Directory.create(String(full[..<slash])) }
                try File(full, .replace).write(bytes.span, at: 0)
            }
        } catch {
            fatalError("cannot write an input's store: \(error)")
        }
    }
}
