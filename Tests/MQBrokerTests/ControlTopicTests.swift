import Foundation
import MQJSON
import MQMessage
import MQObserve
import MQProtocol
import MQRemoting
import MQTestKit
import Testing

@testable import MQBroker

@Suite struct ControlTopicTests {
    @Test func `a broker begins with RocketMQ's system topics`() throws {
        let topics = try ControlMachines.topics()
        let shapes = topics.snapshot().map { "\($0.topicName) \($0.perm.rawValue) \($0.writeQueueNums)" }
        #expect(
            Set(shapes) == [
                "SELF_TEST_TOPIC 6 1", "TBW102 7 8", "BenchmarkTest 6 1024", "DefaultCluster 7 16", "broker-a 7 1",
                "OFFSET_MOVED_EVENT 6 1", "SCHEDULE_TOPIC_XXXX 6 18", "DefaultCluster_REPLY_TOPIC 6 1",
                "rmq_sys_REVIVE_LOG_DefaultCluster 6 8", "rmq_sys_SYNC_BROKER_MEMBER_broker-a 1 1",
                "RMQ_SYS_TRANS_HALF_TOPIC 6 1", "RMQ_SYS_TRANS_OP_HALF_TOPIC 6 1", "rmq_sys_wheel_timer 6 1",
            ])
    }

    @Test func `the broker's own topics are told, RocksDB's among them`() throws {
        let control = try RunningControl()
        let told = try control.connect().ask(RemotingCommand(.getSystemTopicListFromBroker))
        let names = told.json["topicList"].array?.compactMap(\.string) ?? []
        // `TopicValidator.java`, RocketMQ 5.3.3: those of every broker, whether it has them or not.
        let fixed = [
            "TBW102", "SCHEDULE_TOPIC_XXXX", "BenchmarkTest", "RMQ_SYS_TRANS_HALF_TOPIC", "RMQ_SYS_TRACE_TOPIC",
            "RMQ_SYS_TRANS_OP_HALF_TOPIC", "TRANS_CHECK_MAX_TIME_TOPIC", "SELF_TEST_TOPIC", "OFFSET_MOVED_EVENT",
            "CHECKPOINT_TOPIC",
        ]
        #expect(Set(names).isSuperset(of: fixed), "\(names)")
        #expect(Set(names).count == names.count)
    }

    @Test func `a send makes its topic after TBW102 with the fewer queues`() throws {
        let topics = try ControlMachines.topics()
        func make(_ topic: String, _ queues: Int) throws -> TopicConfig {
            try topics.createForSend(
                topic: topic, defaultTopic: "TBW102", queueCount: queues, remoteAddress: "127.0.0.2:1", isUnit: false)
        }
        let before = (topics.version, topics.dataVersion)
        let few = try make("few", 4)
        #expect((few.writeQueueNums, few.readQueueNums, few.perm.rawValue) == (4, 4, 6))
        #expect(try make("many", 100).writeQueueNums == 8)
        #expect(try make("few", 7) == few)
        #expect(try make("%RETRY%g", 8).writeQueueNums == 8, "as any other, as in Java")
        let bare = try topics.createForSend(
            topic: "%RETRY%h", defaultTopic: "", queueCount: 8, remoteAddress: "127.0.0.2:1", isUnit: false)
        #expect(bare.writeQueueNums == 1, "a retry topic is made even after nothing")
        #expect(topics.version == before.0 + 4)
        #expect(topics.dataVersion.counter == before.1.counter + 4)
        #expect(topics.config(of: "few") == few)
    }

    @Test(arguments: ["../etc", "a b", "", String(repeating: "t", count: 128), "tópico"])
    func `a bad name makes no topic`(name: String) throws {
        let topics = try ControlMachines.topics()
        let count = topics.snapshot().count
        #expect(throws: Refusal.self) {
            try topics.createForSend(
                topic: name, defaultTopic: "TBW102", queueCount: 4, remoteAddress: "", isUnit: false)
        }
        #expect(topics.snapshot().count == count)
    }

    @Test func `without autoCreateTopicEnable an unknown topic is refused in RocketMQ's words`() throws {
        let topics = try ControlMachines.topics(try ControlMachines.config(["autoCreateTopicEnable": "false"]))
        let refusal = try #require(
            throws: Refusal.self,
            performing: {
                try topics.createForSend(
                    topic: "t", defaultTopic: "TBW102", queueCount: 4, remoteAddress: "", isUnit: false)
            })
        #expect(refusal.code == .topicNotExist)
        #expect(refusal.remark.hasPrefix("topic[t] not exist, apply first please!\nSee https://rocketmq.apache.org/"))
    }

    @Test func `a full table refuses new topics and takes changes of old ones`() throws {
        let config = try ControlMachines.config()
        config.adjust { $0.limits.topicsMax = 14 }
        let topics = try ControlMachines.topics(config)
        try topics.put(TopicConfig(topicName: "one"))
        #expect(throws: Refusal.self) { try topics.put(TopicConfig(topicName: "two")) }
        #expect(throws: Refusal.self) { try topics.createRetryTopic(group: "g") }
        try topics.put(TopicConfig(topicName: "one", writeQueueNums: 3))
        #expect(topics.config(of: "one")?.writeQueueNums == 3)
    }

    @Test func `topics are written as fastjson writes them and found again, with the file before as bak`() throws {
        let folder = ControlFolder()
        let config = try ControlMachines.config()
        let files = ConfigFiles(folder: folder.path, log: .silent)
        let topics = try ControlMachines.topics(config)
        topics.persist(to: files)
        files.start()
        try topics.put(TopicConfig(topicName: "kept", readQueueNums: 2, writeQueueNums: 3))
        files.stop()
        let text = try folder.text("topics.json")
        #expect(text.hasPrefix("{\n\t\"dataVersion\":{\n\t\t\"counter\":"))
        #expect(text.contains("\t\t\"kept\":{\n\t\t\t\"attributes\":{},\n\t\t\t\"order\":false,\n\t\t\t\"perm\":6,"))
        #expect(!folder.names.contains("topics.json.tmp"))
        let again = try ControlMachines.topics(config, stored: try files.load("topics.json"))
        #expect(again.snapshot() == topics.snapshot())
        #expect(again.dataVersion == topics.dataVersion)
    }

    @Test func `a damaged table falls back to its bak, and two damaged ones stop the start`() throws {
        let folder = ControlFolder()
        let files = ConfigFiles(folder: folder.path, log: .silent)
        #expect(try files.load("topics.json") == nil)
        try folder.write("{\"topicConfigTable\":{}}", to: "topics.json.bak")
        for damaged in ["", "\u{0}\u{0}", "{\"topicConf"] {
            try folder.write(damaged, to: "topics.json")
            #expect(try files.load("topics.json")?["topicConfigTable"].object?.count == 0)
        }
        try folder.write("nonsense", to: "topics.json.bak")
        #expect(throws: ConfigFileError.self) { try files.load("topics.json") }
    }

    @Test func `names in a stored table that could be paths are left out`() throws {
        let stored: JSON = [
            "topicConfigTable": [
                "../x": ["topicName": "../x"], "ok": ["topicName": "ok"], "a": ["topicName": "b"],
            ]
        ]
        let names = try ControlMachines.topics(stored: stored).snapshot().map(\.topicName)
        #expect(names.contains("ok") && !names.contains("../x") && !names.contains("a") && !names.contains("b"))
    }

    @Test func `attributes follow RocketMQ's syntax`() throws {
        func apply(_ text: String, _ current: [String: String] = [:], isNew: Bool = true) throws -> [String: String] {
            try TopicAttributes.apply(text, to: current, isNew: isNew)
        }
        #expect(try apply("") == [:])
        #expect(try apply("+message.type=FIFO,+reserve.time=72") == ["message.type": "FIFO", "reserve.time": "72"])
        #expect(try apply("-reserve.time", ["reserve.time": "1"], isNew: false) == [:])
        for bad in ["message.type=FIFO", "+colour=red", "+message.type=WRONG", "+message.type", "+queue.type=ListCQ"] {
            #expect(throws: Refusal.self, "\(bad)") { try apply(bad) }
        }
        #expect(try apply("+queue.type=BatchCQ") == ["queue.type": "BatchCQ"])
        // As Java: the kind of messages may change, what the files depend on may not.
        let normal = ["message.type": "NORMAL", "queue.type": "BatchCQ"]
        #expect(try apply("+message.type=FIFO", normal, isNew: false)["message.type"] == "FIFO")
        #expect(try apply("-message.type", normal, isNew: false) == ["queue.type": "BatchCQ"])
        func remark(_ text: String, isNew: Bool = false) -> String? {
            do throws(Refusal) {
                _ = try TopicAttributes.apply(text, to: normal, isNew: isNew)
                return nil
            } catch {
                return error.remark
            }
        }
        #expect(remark("-queue.type") == "attempt to update an unchangeable attribute. key: queue.type")
        #expect(remark("+queue.type=BatchCQ") == "attempt to update an unchangeable attribute. key: queue.type")
        #expect(remark("-reserve.time") == "attempt to delete a nonexistent key: reserve.time")
        #expect(
            remark("-message.type", isNew: true)
                == "only add attribute is supported while creating topic. key: message.type")
        #expect(remark("+message.type=FIFO,-message.type") == "alter duplication key. key: message.type")
        #expect(remark("+reserve.time=-2") == "value is not in range(-1, 9223372036854775807)")
        #expect(
            remark("+message.type=NOPE")
                == "value is not in set: [DELAY, FIFO, MIXED, NORMAL, TRANSACTION, UNSPECIFIED]")
    }

    @Test func `topics that name servers keep an order for are marked, others left alone`() throws {
        let topics = try ControlMachines.topics()
        try topics.put(TopicConfig(topicName: "ordered"))
        try topics.put(TopicConfig(topicName: "mine", order: true))
        topics.markOrdered(["ordered", "elsewhere"])
        #expect(topics.config(of: "ordered")?.order == true)
        #expect(topics.config(of: "elsewhere") == nil)
        let version = topics.version
        topics.markOrdered(["ordered"])
        topics.markOrdered([])
        #expect(topics.version == version)
        #expect(topics.config(of: "mine")?.order == true)
    }
}
