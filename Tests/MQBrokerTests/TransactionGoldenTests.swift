import Foundation
import MQMessage
import MQProtocol
import MQTestKit
import Testing

@testable import MQBroker

/// Transactions that a Java broker left open in its store, clean or killed: those, and no others, are asked about, and end.
@Suite struct TransactionGoldenTests {
    @Test(arguments: Golden.versions, ["clean", "crashed"])
    func `what Java left open is asked about and ends`(version: String, state: String) throws {
        let folder = try TemporaryFolder("apus-golden")
        let root = try Golden.unpackStore(version: version, state: state, into: folder.url)
        let running = try RunningBroker([
            "storePathRootDir": root.path, "storePathCommitLog": root.path + "/commitlog",
            "mappedFileSizeCommitLog": String(1 << 20),
            "mappedFileSizeConsumeQueue": "6000", "maxHashSlotNum": "1000", "maxIndexNum": "4000",
            "enableConsumeQueueExt": version == "4.9.8" ? "true" : "false", "mappedFileSizeConsumeQueueExt": "65536",
            "messageDelayLevel": "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h",
            "fileReservedTime": "1000000", "transactionCheckInterval": "1500", "transactionCheckMax": "1000",
        ])
        let peer = try running.connect()
        func all(_ topic: String) throws -> [Pulled] {
            var found: [Pulled] = []
            while true {
                let answer = try peer.ask(.pull(topic, from: Int64(found.count)))
                guard answer.responseCode == .success else { return found }
                found += try Pulled.all(answer)
            }
        }
        let halves = try all("RMQ_SYS_TRANS_HALF_TOPIC")
        let over = Set(
            try all("RMQ_SYS_TRANS_OP_HALF_TOPIC").flatMap { $0.text.split(separator: ",").compactMap { Int64($0) } })
        let open = Set(halves.filter { !over.contains($0.record.queueOffset) }.compactMap { $0.properties["UNIQ_KEY"] })
        #expect(!open.isEmpty && !over.isEmpty, "\(halves.count) halves, over: \(over)")

        let groups = Set(halves.compactMap { $0.properties["PGROUP"] })
        #expect(try peer.ask(.heartbeat("c@golden", producers: groups.sorted())).responseCode == .success)
        var asked: [String: RemotingCommand] = [:]
        var rounds = 0
        while rounds < open.count * 2 {  // every one twice: whatever else is open is among them
            let check = try peer.nextNotice()
            asked[try #require(check["msgId"])] = check
            rounds += 1
        }
        #expect(Set(asked.keys) == open)
        for (_, check) in asked {
            var end = RemotingCommand.end(check)
            for name in ["tranStateTableOffset", "commitLogOffset", "msgId"] { end[name] = check[name] }
            end["producerGroup"] = try Pulled.all(check).first?.properties["PGROUP"]
            end["fromTransactionCheck"] = "true"
            #expect(try peer.ask(end).responseCode == .success)
            #expect(try peer.ask(end).responseCode == .illegalOperation)
        }
        running.stop()
    }
}
