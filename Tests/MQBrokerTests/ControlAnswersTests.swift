import MQJSON
import MQProtocol
import MQRemoting
import MQStore
import MQSystem
import MQTestKit
import Testing

@testable import MQBroker

/// What RocketMQ 5.3.3 answered when the dashboard's and mqadmin's requests were sent to it and to this broker; each test
/// is one place where the two differed.
@Suite struct ControlAnswersTests {
    @Test func `a master without slaves tells how far its log is`() throws {
        let control = try RunningControl()
        let answer = try control.connect().ask(RemotingCommand(.getBrokerHAStatus))
        #expect(answer.responseCode == .success)
        #expect(
            answer.json == [
                "haClientRuntimeInfo": [
                    "lastReadTimestamp": 0, "lastWriteTimestamp": 0, "masterFlushOffset": 0, "maxOffset": 0,
                    "transferredByteInSecond": 0,
                ],
                "haConnectionInfo": [], "inSyncSlaveNums": 0, "master": true, "masterCommitLogMaxOffset": 12519,
            ])
        let reset = try control.connect().ask(RemotingCommand(.resetMasterFlushOffset, ["masterFlushOffset": "0"]))
        #expect(reset.responseCode == .success)
    }

    @Test func `a group that may come to be by itself does when its configuration is asked for`() throws {
        let control = try RunningControl()
        let answer = try control.connect().ask(RemotingCommand(.getSubscriptionGroupConfig, ["group": "new"]))
        #expect(try SubscriptionGroupConfig(parsing: answer.body).retryMaxTimes == 16)
        #expect(control.groups.existing("new") != nil)
        let closed = try RunningControl(["autoCreateSubscriptionGroup": "false"])
        let refused = try closed.connect().ask(RemotingCommand(.getSubscriptionGroupConfig, ["group": "new"]))
        #expect(refused.responseCode == .subscriptionGroupNotExist)
        #expect(refused.remark == "No group in this broker. group: new")
    }

    @Test func `a producer's address has the slash that Java prints`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        _ = try peer.ask(.heartbeat("one", producers: ["p"]))
        let table = try ProducerTableInfo(parsing: try peer.ask(RemotingCommand(.getAllProducerInfo)).body)
        #expect(table.data["p"]?.first?.remoteIP.hasPrefix("/127.0.0.1:") == true)
    }

    @Test func `a topic goes with the topics that its pop groups retry it in`() throws {
        let control = try RunningControl()
        let kept = ["%RETRY%g", "%RETRY%g_other", "%RETRY%h_gone"]
        for name in ["gone", "%RETRY%g_gone", "%RETRY%g+gone"] + kept {
            try control.topics.put(TopicConfig(topicName: name))
        }
        control.offsets.commit(group: "g", topic: "gone", queueID: 0, offset: 5)
        let answer = try control.connect().ask(RemotingCommand(.deleteTopicInBroker, ["topic": "gone"]))
        #expect(answer.responseCode == .success)
        #expect(control.store.state.withLock { $0.deleted } == ["gone", "%RETRY%g_gone", "%RETRY%g+gone"])
        #expect(control.topics.config(of: "%RETRY%g_gone") == nil && control.topics.config(of: "%RETRY%g+gone") == nil)
        for name in kept { #expect(control.topics.config(of: name) != nil, "\(name)") }
        let careful = try RunningControl(["clearRetryTopicWhenDeleteTopic": "false"])
        for name in ["gone", "%RETRY%g_gone"] { try careful.topics.put(TopicConfig(topicName: name)) }
        careful.offsets.commit(group: "g", topic: "gone", queueID: 0, offset: 5)
        _ = try careful.connect().ask(RemotingCommand(.deleteTopicInBroker, ["topic": "gone"]))
        #expect(careful.topics.config(of: "gone") == nil && careful.topics.config(of: "%RETRY%g_gone") != nil)
    }

    @Test func `making topics automatically is switched on and off while the broker runs`() throws {
        let control = try RunningControl(["autoCreateTopicEnable": "false"])
        let peer = try control.connect()
        func update(_ text: String) throws {
            #expect(
                try peer.ask(RemotingCommand(.updateBrokerConfig, body: Array(text.utf8))).responseCode == .success)
        }
        func create(_ topic: String) throws(Refusal) -> TopicConfig {
            try control.topics.createForSend(
                topic: topic, defaultTopic: "TBW102", queueCount: 16, remoteAddress: "", isUnit: false)
        }
        #expect(throws: Refusal.self) { try create("one") }
        try update("autoCreateTopicEnable=true\n")
        #expect(try create("one").writeQueueNums == 8)
        try update("defaultTopicQueueNums=12\n")
        #expect(try create("two").writeQueueNums == 12)
        try update("autoCreateTopicEnable=false\n")
        #expect(throws: Refusal.self) { try create("three") }
    }

    @Test func `topics made many at once are told to the store and checked like one`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        func put(_ topics: TopicConfig...) throws -> RemotingCommand {
            let body = CreateTopicListRequestBody(topics: topics).encoded()
            return try peer.ask(RemotingCommand(.updateAndCreateTopicList, body: body))
        }
        var batch = TopicConfig(topicName: "batch")
        batch.attributes = ["queue.type": "BatchCQ"]
        #expect(try put(batch).responseCode == .success)
        #expect(control.store.state.withLock { $0.batchTopics } == ["batch"])
        var odd = TopicConfig(topicName: "odd")
        odd.topicFilterType = "NO_TAG"
        #expect(try put(TopicConfig(topicName: "fine"), odd).responseCode == .invalidParameter)
        #expect(control.topics.config(of: "fine") == nil)
    }
}
