import Foundation
import MQBase
import MQBytes
import MQMessage
import MQObserve
import MQSystem
import MQTestKit
import Testing

@testable import MQStore
@testable import MQStoreTool

/// Goal: the commands know lite message queues: what stands in them stands in the log under another topic.
@Suite struct LiteToolTests {
    private let folder: TemporaryFolder
    private var root: String { folder.path + "/store" }

    init() throws { folder = try TemporaryFolder() }

    private func fill() throws {
        var config = StoreConfig(root: root)
        config.servesLiteQueues = true
        config.commitLogFileByteCount = 1 << 16
        config.consumeQueueFileByteCount = 2000
        (config.indexSlotCount, config.indexEntryCount) = (100, 400)
        config.fillsFilesAhead = false
        let store = try MessageStore(config, log: .silent)
        store.start(MessageStore.Events(arrived: { _ in }, flushed: {}))
        let batch = store.makeBatch()
        for number in 0..<30 {
            let head = RecordHead(
                queueID: 3, flag: 0, sysFlag: [], bornTimestamp: Timestamp(rawValue: 1),
                bornHost: MessageHost(ip: [127, 0, 0, 1], port: 1), storeHost: MessageHost(ip: [127, 0, 0, 1], port: 2))
            let names = number.isMultiple(of: 3) ? "%LMQ%a,%LMQ%b" : "%LMQ%b"
            try batch.stage(head, topic: Array("t".utf8).span, body: [1, 2].span, in: store.queue("t", 3)) {
                $0.append(Array("INNER_MULTI_DISPATCH\u{1}\(names)\u{2}".utf8))
            }
        }
        try store.append(batch, at: Timestamp(rawValue: 1_700_000_000_000))
        store.stop()
    }

    private func run(_ command: String) -> (code: Int32, output: String) { SmallFiles.run(command, root) }

    @Test func `a store with lite queues is whole, and a unit that lies in one is found and repaired`() throws {
        try fill()
        let whole = run("verify")
        #expect(whole.code == 0, "\(whole.output)")
        let file = root + "/consumequeue/%LMQ%a/0/" + StoreFileName.file(at: 0)
        let before = try Data(contentsOf: URL(filePath: file))
        try File(file, .readWrite).write([0, 0, 0, 0, 0, 0, 9, 9].span, at: 40)
        let damaged = run("verify")
        #expect(damaged.code != 0 && damaged.output.contains("%LMQ%a/0 number 2"), "\(damaged.output)")
        #expect(run("repair").code == 0)
        #expect(try Data(contentsOf: URL(filePath: file)) == before)
        #expect(run("verify").code == 0)
    }

    @Test func `a lite queue that is gone is missed`() throws {
        try fill()
        try FileManager.default.removeItem(atPath: root + "/consumequeue/%LMQ%b")
        let damaged = run("verify")
        #expect(damaged.code != 0 && damaged.output.contains("consumequeue/%LMQ%b/0"), "\(damaged.output)")
        #expect(run("repair").code == 0)
        #expect(run("verify").code == 0)
    }
}
