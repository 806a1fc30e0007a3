import Foundation
import MQBytes
import MQProtocol
import MQTestKit
import Testing

@testable import MQBroker

/// What a running broker takes over without a restart, and what a start repairs.
@Suite struct BrokerLiveTests {
    private let running: RunningBroker
    private let peer: RemotingPeer

    init() throws {
        running = try RunningBroker()
        peer = try running.connect()
    }

    private func update(_ text: String) throws {
        let answer = try peer.ask(RemotingCommand(.updateBrokerConfig, body: Array(text.utf8)))
        try #require(answer.responseCode == .success, "\(answer)")
    }

    @Test func `permissions and limits of pulls follow a hot update`() throws {
        for body in ["a", "b", "c"] { #expect(try peer.ask(.put("t", body)).responseCode == .success) }
        for next in 0..<3 {
            #expect(try peer.ask(.pull("t", from: Int64(next), wait: 10_000)).responseCode == .success)
        }
        try update("maxTransferCountOnMessageInMemory=2")
        let two = try peer.ask(.pull("t"))
        #expect(try Pulled.all(two).count == 2, "\(two)")
        try update("brokerPermission=4")
        #expect(try peer.ask(.put("t")).responseCode == .success)
        var ordered = RemotingCommand.topic("ordered")
        ordered["order"] = "true"
        _ = try peer.ask(ordered)
        let put = try peer.ask(.put("ordered"))
        #expect(put.responseCode == .noPermission && put.remark == "the broker[127.0.0.1] sending message is forbidden")
        #expect(try peer.ask(.pull("t")).responseCode == .success)
        try update("brokerPermission=2")
        let pull = try peer.ask(.pull("t"))
        #expect(pull.responseCode == .noPermission)
        #expect(pull.remark == "the broker[127.0.0.1] pulling message is forbidden" && pull["forbiddenType"] == "1")
        #expect(try peer.ask(.put("t")).responseCode == .success)
    }

    @Test func `lite pulls may be switched off`() throws {
        #expect(try peer.ask(.put("t")).responseCode == .success)
        var lite = RemotingCommand.pull("t", wait: 10_000)
        lite.code = RequestCode.litePullMessage.rawValue
        #expect(try peer.ask(lite).responseCode == .success)
        try update("litePullMessageEnable=false")
        let refused = try peer.ask(lite)
        #expect(refused.responseCode == .noPermission && refused["forbiddenType"] == "1")
        #expect(refused.remark == "the broker[127.0.0.1] for lite pull consumer is forbidden")
        #expect(try peer.ask(.pull("t")).responseCode == .success)
    }

    @Test func `a short poll is what remains when long polling is switched off`() throws {
        try update("longPollingEnable=false\nshortPollingTimeMills=1\n")
        #expect(try peer.ask(.put("t")).responseCode == .success)
        #expect(try peer.ask(.pull("t", queue: 1, wait: 15_000)).responseCode == .pullNotFound)
    }

    @Test func `a bad queue id is answered with the topic as Java prints it`() throws {
        let answer = try peer.ask(.put("made", queue: 9))
        let topic =
            "TopicConfig [topicName=made, readQueueNums=4, writeQueueNums=4, perm=RW-, topicFilterType=SINGLE_TAG, "
            + "topicSysFlag=0, order=false, attributes={}]"
        #expect(answer.responseCode == .invalidParameter)
        let wanted = "request queueId[9] is illegal, \(topic) Producer: 127.0.0.1:"
        #expect(answer.remark?.hasPrefix(wanted) == true, "\(answer)")
    }

    @Test func `topics that the table lost are served again`() throws {
        _ = try peer.ask(.heartbeat(group: "lost_group", topic: "lost"))
        #expect(try peer.ask(.put("lost", "a", queue: 2)).responseCode == .success)
        #expect(try peer.ask(.put("%RETRY%lost_group", "b")).responseCode == .success)
        #expect(try peer.ask(.pull("lost", queue: 2, wait: 10_000)).responseCode == .success)
        #expect(try peer.ask(.pull("%RETRY%lost_group", wait: 10_000)).responseCode == .success)
        running.stop()
        for name in ["topics.json", "topics.json.bak"] {
            try? FileManager.default.removeItem(at: running.folder.appendingPathComponent("config/\(name)"))
        }
        try running.restart()
        let again = try running.connect()
        #expect(try Pulled.all(again.ask(.pull("lost", queue: 2))).map(\.text) == ["a"])
        #expect(try Pulled.all(again.ask(.pull("%RETRY%lost_group"))).map(\.text) == ["b"])
        let config = try TopicConfig(parsing: again.ask(RemotingCommand(.getTopicConfig, ["topic": "lost"])).body)
        #expect(config == TopicConfig(topicName: "lost", readQueueNums: 3, writeQueueNums: 3))
        #expect(try again.ask(.pull("never", wait: 0)).responseCode == .topicNotExist)
    }
}
