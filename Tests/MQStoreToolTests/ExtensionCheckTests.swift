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

/// Goal: verify finds what is wrong in `consumequeue_ext`, and nothing where nothing is. Method: a store that writes
/// extensions, damaged by hand.
@Suite struct ExtensionCheckTests {
    private let folder: TemporaryFolder
    private var root: String { folder.path + "/store" }
    private var file: String { root + "/consumequeue_ext/t/0/" + StoreFileName.file(at: 0) }

    /// 30 messages; extension files of 400 bytes hold 19 units of 20 bytes.
    init() throws {
        folder = try TemporaryFolder()
        var config = StoreConfig(root: root)
        config.commitLogFileByteCount = 1 << 16
        config.consumeQueueFileByteCount = 2000
        (config.indexSlotCount, config.indexEntryCount) = (100, 400)
        config.fillsFilesAhead = false
        config.isExtensionWritten = true
        config.extensionFileByteCount = 400
        let store = try MessageStore(config, log: .silent)
        store.start(MessageStore.Events(arrived: { _ in }, flushed: {}))
        let batch = AppendBatch()
        for number in 0..<30 {
            let head = RecordHead(
                queueID: 0, flag: 0, sysFlag: [], bornTimestamp: Timestamp(rawValue: 1),
                bornHost: MessageHost(ip: [127, 0, 0, 1], port: 1), storeHost: MessageHost(ip: [127, 0, 0, 1], port: 2))
            try batch.stage(
                head, topic: Array("t".utf8).span, body: [1, 2, 3].span, in: store.queue("t", 0)
            ) { $0.append(Array("TAGS\u{1}tag\(number)\u{2}".utf8)) }
        }
        try store.append(batch, at: Timestamp(rawValue: 1_700_000_000_000))
        store.stop()
    }

    private func run(_ command: String) -> (code: Int32, output: String) { SmallFiles.run(command, root) }

    @Test func `a sound extension has no findings`() {
        let found = run("verify")
        #expect(found.code == 0, "\(found.output)")
        #expect(found.output.contains("30 queue units"))
        #expect(!found.output.contains("extension"))
    }

    @Test func `other tags, another time, no unit, no file and a cut file are found`() throws {
        try File(file, .readWrite).write([9].span, at: 5 * 20 + 9)  // the last byte of a tags code
        try File(file, .readWrite).write([9].span, at: 7 * 20 + 17)
        try File(file, .readWrite).write([0, 0].span, at: 9 * 20)
        var found = run("verify")
        #expect(found.code == 1)
        #expect(
            found.output.contains(
                "error extension.wrong-unit consumequeue_ext/t/0/00000000000000000000 at 100: t/0 number 5"))
        #expect(found.output.contains("at 140: t/0 number 7"))
        #expect(found.output.contains("store time is"))
        #expect(
            found.output.contains(
                "error extension.missing-unit consumequeue_ext/t/0/00000000000000000000 at 180: t/0 number 9"))
        #expect(found.output.contains("27 queue units"))
        try Directory.removeFile(root + "/consumequeue_ext/t/0/" + StoreFileName.file(at: 400))
        try File(file, .readWrite).truncate(to: 300)
        found = run("verify")
        #expect(found.output.contains("no file of consumequeue_ext/t/0 has byte 400"))
        #expect(found.output.contains("t/0 number 15"))
        try Directory.removeTree(root + "/consumequeue_ext")
        #expect(run("verify").output.contains("the queue has no extension"))
        #expect(run("repair").code == 0)
        #expect(run("verify").code == 0)
    }

    @Test func `a file of another length is found`() throws {
        try File(root + "/consumequeue_ext/t/0/" + StoreFileName.file(at: 400), .readWrite).truncate(to: 399)
        let found = run("verify")
        #expect(found.code == 1)
        #expect(found.output.contains("error extension.file-length consumequeue_ext/t/0/00000000000000000400"))
    }
}
