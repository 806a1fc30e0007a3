import Foundation
import MQProtocol
import MQTestKit
import Testing

@testable import RocketMQClient

/// Goal: old files go while clients work, and nobody stumbles over it. Method: the real broker with small files whose
/// modification times are set back, looked at five times a second.
@Suite(.serialized, .enabled(if: RunningCluster.isBuilt), .timeLimit(.minutes(3))) struct RealRetentionTests {
    /// Another hour than the present one, so that nothing goes by itself; the disk of a test may be nearly full.
    private static let settings: [String: String] = {
        let hour = Calendar.current.component(.hour, from: Date())
        return [
            "mappedFileSizeCommitLog": "65536", "mappedFileSizeConsumeQueue": "2000", "maxIndexNum": "200",
            "maxHashSlotNum": "100", "deleteWhen": "\((hour + 12) % 24)", "fileReservedTime": "1",
            "cleanResourceInterval": "200", "deleteCommitLogFilesInterval": "1", "cleanFileForciblyEnable": "false",
            "diskMaxUsedSpaceRatio": "95",
        ]
    }()

    private func names(_ cluster: RunningCluster, _ path: String) -> [String] {
        let folder = cluster.folder.appending(path: "store/" + path).path
        return ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
    }

    /// Sets the modification time of the first log files back two hours, as `touch -d` does.
    private func age(_ cluster: RunningCluster, all names: [String]) throws {
        for name in names {
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSinceNow: -7200)],
                ofItemAtPath: cluster.folder.appending(path: "store/commitlog/" + name).path)
        }
    }

    private func runtime(_ cluster: RunningCluster, _ key: String) async throws -> String {
        let lines = try await cluster.admin("brokerStatus", "-b", cluster.brokerAddress).output.split(separator: "\n")
        let line = try #require(lines.first { $0.hasPrefix(key + " ") })
        return line.split(separator: ":", maxSplits: 1)[1].trimmingCharacters(in: .whitespaces)
    }

    /// The first offset of the topic's queue and the one behind its last, as `mqadmin` shows them.
    private func ends(_ cluster: RunningCluster) async throws -> (min: Int64, max: Int64) {
        let status = try await cluster.admin("topicStatus", "-t", "t").output
        let row = try #require(status.split(separator: "\n").first { $0.hasPrefix("broker-a ") })
        let words = row.split(separator: " ")
        return (try #require(Int64(words[2])), try #require(Int64(words[3])))
    }

    private func send(_ cluster: RunningCluster, _ range: Range<Int>) async throws {
        let producer = try Producer(group: "p", client: cluster.client)
        try await producer.start()
        for number in range {
            let body = Array("\(number) ".utf8) + [UInt8](repeating: 120, count: 1000)
            try await producer.send(Message(topic: "t", keys: ["k\(number)"], body: body))
        }
        await producer.shutdown()
    }

    /// Runs a consumer of the group until it has seen message `last`; the queue offsets it saw.
    private func consume(_ cluster: RunningCluster, until last: Int64) async throws -> [Int64] {
        var options = ConsumerOptions()
        options.consumeFromWhere = .firstOffset
        let seen = Lines()
        let consumer = try PushConsumer(group: "g", options: options, client: cluster.client)
        try await consumer.subscribe("t")
        try await consumer.start { message, _ in
            seen.add(String(message.queueOffset))
            return .success
        }
        try await eventually("message \(last) is consumed") { seen.all.contains(String(last)) }
        await consumer.shutdown()
        return seen.all.compactMap { Int64($0) }
    }

    @Test func `expired files go by order, consumers go on from the minimum, and a restart finds it so`() async throws {
        try await RunningCluster.run(Self.settings) { cluster in
            try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", "t", "-r", "1", "-w", "1")
            try await send(cluster, 0..<50)
            #expect(try await consume(cluster, until: 49).count == 50)
            try await send(cluster, 50..<500)
            let files = names(cluster, "commitlog")
            #expect(files.count >= 8)
            let indexes = names(cluster, "index")
            #expect(indexes.count >= 4)
            try age(cluster, all: Array(files.prefix(5)))
            let order = try await cluster.admin("deleteExpiredCommitLog", "-b", cluster.brokerAddress)
            #expect(order.code == 0 && order.output == "success")
            try await eventually("five files are gone") { names(cluster, "commitlog").first == files[5] }
            #expect(try await runtime(cluster, "commitLogMinOffset") == String(5 << 16))
            let min = try await ends(cluster).min
            #expect(min > 250 && min < 400)
            try await eventually("queue and index have followed") {
                names(cluster, "consumequeue/t/0").first == String(repeating: "0", count: 16) + "\(min / 100 * 2000)"
                    && !names(cluster, "index").contains(indexes[0])
            }
            // The group stands at 50, which is gone.
            let seen = try await consume(cluster, until: 499)
            #expect(seen.sorted() == Array(min..<500))
            #expect(try await cluster.admin("queryMsgByKey", "-t", "t", "-k", "k10").code == 1)
            #expect(try await cluster.admin("queryMsgByKey", "-t", "t", "-k", "k499").code == 0)

            try await cluster.killBroker()
            try await cluster.startBroker()
            #expect(try await runtime(cluster, "commitLogMinOffset") == String(5 << 16))
            try await send(cluster, 500..<510)
            #expect(try await consume(cluster, until: 509).max() == 509)
            let clean = try await cluster.admin("cleanExpiredCQ", "-c", "DefaultCluster")
            #expect(clean.code == 0 && clean.output == "success")
            #expect(try await cluster.admin("cleanUnusedTopic").output == "success")
            #expect(!names(cluster, "consumequeue/t/0").isEmpty)
        }
    }

    @Test func `the hour that is configured while it runs counts, and ratios are told as df tells them`() async throws {
        try await RunningCluster.run(Self.settings) { cluster in
            try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", "t", "-r", "1", "-w", "1")
            try await send(cluster, 0..<200)
            let files = names(cluster, "commitlog")
            try age(cluster, all: Array(files.prefix(2)))
            let hours = (0..<24).map(String.init).joined(separator: ";")
            let update = try await cluster.admin(
                "updateBrokerConfig", "-b", cluster.brokerAddress, "-k", "deleteWhen", "-v", hours)
            #expect(update.code == 0)
            try await eventually("two files are gone") { names(cluster, "commitlog").first == files[2] }
            let df = Process()
            let pipe = Pipe()
            df.executableURL = URL(filePath: "/usr/bin/df")
            df.arguments = ["--output=pcent", cluster.folder.path]
            df.standardOutput = pipe
            try df.run()
            let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            let percent = try #require(Int(text.filter(\.isNumber)))
            for key in ["commitLogDiskRatio", "consumeQueueDiskRatio"] {
                let told = try #require(Double(try await runtime(cluster, key)))
                #expect(abs(told - Double(percent) / 100) < 0.025)
            }
        }
    }

    @Test func `a disk that fills up refuses sends with the code clients know, and takes them again`() async throws {
        guard let disk = SmallDisk(kilobytes: 16 << 10) else { return }
        var settings = Self.settings
        settings["storePathRootDir"] = disk.path + "/store"
        settings["storePathCommitLog"] = disk.path + "/store/commitlog"
        settings["mappedFileSizeCommitLog"] = "1048576"
        try await RunningCluster.run(settings) { cluster in
            try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", "t", "-r", "1", "-w", "1")
            try await send(cluster, 0..<50)
            for left in [1 << 20, 0] {  // above the warning level; no room at all
                try disk.fill(leaving: left)
                try await eventually("sends are refused") {
                    let sent = try await cluster.admin("sendMessage", "-t", "t", "-p", "x")
                    return sent.code == 1 && sent.errors.contains("14")
                        && sent.errors.contains("the broker's disk is full")
                }
                let told = try #require(Double(try await runtime(cluster, "commitLogDiskRatio")))
                #expect(told > 0.9)
                #expect(try await cluster.admin("printMsg", "-t", "t").output.contains("MSGID"))
                try disk.empty()
                try await eventually("sends are taken") {
                    try await cluster.admin("sendMessage", "-t", "t", "-p", "x").code == 0
                }
            }
            let end = try await ends(cluster).max
            #expect(end >= 52)
            #expect(try await consume(cluster, until: end - 1).sorted() == Array(0..<end))
        }
    }
}
