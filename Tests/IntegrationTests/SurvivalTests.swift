import Foundation
import MQAdmin
import MQProtocol
import MQTestKit
import RocketMQClient
import Testing

/// Goal: what was acknowledged is there after the broker's process ends, however it ends, and offsets go on where they
/// stopped. Method: real processes, real signals, our own client.
@Suite(.whereBuilt, .timeLimit(.minutes(3))) struct SurvivalTests {
    enum End: String, CaseIterable { case term, kill }

    @Test(arguments: End.allCases, ["ASYNC_FLUSH", "SYNC_FLUSH"])
    func `every acknowledged message is found again`(end: End, flush: String) async throws {
        try await Running.run { running in
            let nameServer = try await running.nameServer()
            let broker = try await running.broker(
                [nameServer], ["flushDiskType": flush, "mappedFileSizeCommitLog": "65536"])
            let bodies = (0..<200).map { "\($0) " + String(repeating: "x", count: 1000) }  // some four files
            let sent = try await withAdmin([nameServer]) { try await $0.sendOK(bodies, to: "SurvivalTopic") }

            try await end == .term ? broker.stop() : broker.kill()
            let abort = running.folder.url.appending(path: "store/abort")
            #expect(FileManager.default.fileExists(atPath: abort.path) == (end == .kill))
            try await broker.start()

            try await withAdmin([nameServer]) { admin in
                // The rest of the log may still be on its way into the queues.
                try await eventually("all queues are rebuilt") {
                    (try? await admin.messageCount(of: "SurvivalTopic")) == 200
                }
                #expect(try await admin.bodies(at: sent) == bodies)
                let found = try await admin.messages(
                    topic: "SurvivalTopic", key: sent[77].messageID, isUnique: true, max: 10)
                #expect(found.map(\.messageID) == [sent[77].messageID])

                let more = try await admin.sendOK((0..<20).map { "after \($0)" }, to: "SurvivalTopic")
                let ends = Dictionary(grouping: sent, by: \.queue).mapValues { $0.map(\.queueOffset).max() ?? -1 }
                for (queue, results) in Dictionary(grouping: more, by: \.queue) {
                    #expect(results.map(\.queueOffset).min() == (ends[queue] ?? -1) + 1)
                }
            }
        }
    }

    @Test func `a broker that is killed while it is sent to keeps what it acknowledged`() async throws {
        try await Running.run { running in
            let nameServer = try await running.nameServer()
            let broker = try await running.broker([nameServer], ["mappedFileSizeCommitLog": "65536"])
            let sent = try await withAdmin([nameServer]) { admin in
                let first = try await admin.sendOK((0..<50).map { "steady \($0)" }, to: "KilledTopic")
                async let dying = admin.sendUntilRefused(to: "KilledTopic")
                try await eventually("messages are under way") {
                    ((try? await admin.messageCount(of: "KilledTopic")) ?? 0) > 100
                }
                try await broker.kill()
                return first + (await dying)
            }
            try await broker.start()
            try await withAdmin([nameServer]) { admin in
                try await eventually("all queues are rebuilt") {
                    ((try? await admin.messageCount(of: "KilledTopic")) ?? 0) >= sent.count
                }
                let found = try await admin.bodies(at: sent)
                #expect(found.allSatisfy { $0.hasPrefix("steady ") })
            }
        }
    }
}
