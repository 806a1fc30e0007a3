import Foundation
import MQJSON
import MQProtocol
import MQStore
import MQSystem
import MQTestKit
import Testing

@testable import MQBroker

/// Requests of administrators and consumers over a real connection, with a store that knows what it was told.
@Suite struct ControlAdminTests {
    @Test func `a topic that an administrator makes is durable when the answer comes`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        let answer = try peer.ask(
            RemotingCommand(
                .updateAndCreateTopic,
                [
                    "topic": "made", "defaultTopic": "TBW102", "readQueueNums": "2", "writeQueueNums": "3",
                    "perm": "6", "topicFilterType": "SINGLE_TAG", "topicSysFlag": "0", "order": "false",
                    "attributes": "+message.type=NORMAL",
                ]))
        #expect(answer.responseCode == .success)
        #expect(try control.folder.text("topics.json").contains("\"made\":{"))
        let topic = try #require(control.topics.config(of: "made"))
        #expect((topic.readQueueNums, topic.writeQueueNums) == (2, 3))
        #expect(topic.attributes == ["message.type": "NORMAL"])
        let shown = try peer.ask(RemotingCommand(.getTopicConfig, ["topic": "made"]))
        #expect(try TopicConfig(parsing: shown.body) == topic)
        let all = try peer.ask(RemotingCommand(.getAllTopicConfig))
        #expect(try TopicConfigSerializeWrapper(parsing: all.body).topicConfigTable["made"] == topic)
    }

    @Test func `a topic is removed with its queues and offsets`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        try control.topics.put(TopicConfig(topicName: "gone"))
        control.offsets.commit(group: "g", topic: "gone", queueID: 0, offset: 5)
        #expect(try peer.ask(RemotingCommand(.deleteTopicInBroker, ["topic": "gone"])).responseCode == .success)
        #expect(control.topics.config(of: "gone") == nil)
        #expect(control.offsets.query(group: "g", topic: "gone", queueID: 0) == nil)
        #expect(control.store.state.withLock { $0.deleted } == ["gone"])
        #expect(try !control.folder.text("topics.json").contains("\"gone\""))
    }

    @Test(arguments: ["../../etc", "", "a/b", ".."])
    func `names that could be paths reach neither table nor store`(name: String) throws {
        let control = try RunningControl()
        let peer = try control.connect()
        for code: RequestCode in [.updateAndCreateTopic, .deleteTopicInBroker] {
            let answer = try peer.ask(RemotingCommand(code, ["topic": name]))
            #expect(answer.responseCode == .invalidParameter)
        }
        let group = SubscriptionGroupConfig(groupName: name)
        let answer = try peer.ask(RemotingCommand(.updateAndCreateSubscriptionGroup, body: group.encoded()))
        #expect(answer.responseCode == .invalidParameter)
        #expect(control.store.state.withLock { $0.deleted } == [])
        #expect(control.topics.config(of: name) == nil)
    }

    @Test func `system topics are not for administrators`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        for topic in ["SCHEDULE_TOPIC_XXXX", "broker-a", "rmq_sys_anything"] {
            for code: RequestCode in [.updateAndCreateTopic, .deleteTopicInBroker] {
                let answer = try peer.ask(RemotingCommand(code, ["topic": topic]))
                #expect(answer.responseCode == .invalidParameter)
                #expect(answer.remark == "The topic[\(topic)] is conflict with system topic.")
            }
        }
    }

    @Test func `numbers out of range are refused by name`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        let bad: [(RemotingCommand, String)] = [
            (RemotingCommand(.updateAndCreateTopic, ["topic": "t", "readQueueNums": "-1"]), "readQueueNums"),
            (RemotingCommand(.updateAndCreateTopic, ["topic": "t", "writeQueueNums": "1000000"]), "writeQueueNums"),
            (RemotingCommand(.updateAndCreateTopic, ["topic": "t", "perm": "many"]), "perm"),
            (RemotingCommand(.getMaxOffset, ["topic": "t", "queueId": "-3"]), "queueId"),
            (RemotingCommand(.getMaxOffset, ["topic": "t"]), "queueId"),
            (RemotingCommand(.getMinOffset, ["queueId": "0"]), "topic"),
            (RemotingCommand(.searchOffsetByTimestamp, ["topic": "t", "queueId": "0"]), "timestamp"),
            (
                RemotingCommand(.updateConsumerOffset, ["consumerGroup": "g", "topic": "t", "queueId": "0"]),
                "commitOffset"
            ),
        ]
        for (request, field) in bad {
            let answer = try peer.ask(request)
            #expect(answer.responseCode != .success)
            #expect(answer.remark?.contains("<\(field)>") == true, "\(answer.remark ?? "")")
        }
    }

    @Test func `offsets are committed and asked for`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        func commit(_ group: String, _ topic: String, _ offset: String) throws -> RemotingCommand {
            try peer.ask(
                RemotingCommand(
                    .updateConsumerOffset,
                    ["consumerGroup": group, "topic": topic, "queueId": "1", "commitOffset": offset]))
        }
        func query(_ extra: String? = nil) throws -> RemotingCommand {
            var request = RemotingCommand(
                .queryConsumerOffset, ["consumerGroup": "g", "topic": "t", "queueId": "1"])
            request["setZeroIfNotFound"] = extra
            return try peer.ask(request)
        }
        #expect(try commit("g", "t", "1").responseCode == .subscriptionGroupNotExist)
        _ = control.groups.config(of: "g")
        #expect(try commit("g", "t", "1").responseCode == .topicNotExist)
        try control.topics.put(TopicConfig(topicName: "t"))
        #expect(try query().responseCode == .queryNotFound, "an empty queue")
        control.store.put("t", 1, max: 1)
        #expect(try query()["offset"] == "0")
        #expect(try query("false").responseCode == .queryNotFound)
        control.store.state.withLock { $0.isOnDisk = true }
        let cold = try query()
        #expect(cold.responseCode == .queryNotFound)
        #expect(cold.remark == "Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first")
        control.store.state.withLock { $0.isOnDisk = false }
        control.store.put("t", 1, min: 3, max: 9)
        #expect(try query().responseCode == .queryNotFound)
        #expect(try commit("g", "t", "7").responseCode == .success)
        #expect(try query()["offset"] == "7")
        let all = try peer.ask(RemotingCommand(.getAllConsumerOffset))
        #expect(String(decoding: all.body, as: UTF8.self).contains("\"offsetTable\":{\"t@g\":{1:7}}"))
    }

    @Test func `queues answer with their ends and times`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        control.store.put("t", 0, min: 3, max: 9)
        let queue: KeyValuePairs = ["topic": "t", "queueId": "0"]
        #expect(try peer.ask(RemotingCommand(.getMaxOffset, queue))["offset"] == "9")
        #expect(try peer.ask(RemotingCommand(.getMinOffset, queue))["offset"] == "3")
        #expect(try peer.ask(RemotingCommand(.getEarliestMessageStoreTime, queue))["timestamp"] == "1003")
        for (boundary, offset) in [("LOWER", "3"), ("upper", "8")] {
            let request = RemotingCommand(
                .searchOffsetByTimestamp,
                ["topic": "t", "queueId": "0", "timestamp": "1", "boundaryType": boundary])
            #expect(try peer.ask(request)["offset"] == offset)
        }
        let none: KeyValuePairs = ["topic": "t", "queueId": "5"]
        #expect(try peer.ask(RemotingCommand(.getMaxOffset, none))["offset"] == "0")
        #expect(try peer.ask(RemotingCommand(.getEarliestMessageStoreTime, none))["timestamp"] == "-1")
    }

    @Test func `progress of topics and groups is shown`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        try control.topics.put(TopicConfig(topicName: "t", readQueueNums: 2, writeQueueNums: 1))
        control.store.put("t", 0, max: 9)
        control.offsets.commit(group: "g", topic: "t", queueID: 0, offset: 4)
        control.offsets.commit(group: "g", topic: "unknown", queueID: 0, offset: 4)
        let stats = try peer.ask(RemotingCommand(.getTopicStatsInfo, ["topic": "t"]))
        let table = try TopicStatsTable(parsing: stats.body).offsetTable
        #expect(table.count == 2)
        let first = MessageQueue(topic: "t", brokerName: "broker-a", queueID: 0)
        #expect(table[first] == .init(minOffset: 0, maxOffset: 9, lastUpdateTimestamp: 1008))
        let progress = try peer.ask(RemotingCommand(.getConsumeStats, ["consumerGroup": "g"]))
        let offsets = try ConsumeStats(parsing: progress.body).offsetTable
        #expect(offsets.count == 2)
        #expect(offsets[first] == .init(brokerOffset: 9, consumerOffset: 4, pullOffset: 4, lastTimestamp: 1003))
        #expect(try peer.ask(RemotingCommand(.queryTopicConsumeByWho, ["topic": "t"])).json == ["groupList": ["g"]])
        let topics = try peer.ask(RemotingCommand(.queryTopicsByConsumer, ["group": "g"]))
        #expect(topics.json["topicList"] == ["t", "unknown"])
        let missing = try peer.ask(RemotingCommand(.getTopicStatsInfo, ["topic": "x"]))
        #expect(missing.responseCode == .topicNotExist && missing.remark == "topic[x] not exist")
    }

    @Test func `groups are made, shown and removed with their offsets`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        var group = SubscriptionGroupConfig(groupName: "g")
        group.retryMaxTimes = 3
        let made = try peer.ask(RemotingCommand(.updateAndCreateSubscriptionGroup, body: group.encoded()))
        #expect(made.responseCode == .success)
        #expect(try control.folder.text("subscriptionGroup.json").contains("\"g\":{"))
        let shown = try peer.ask(RemotingCommand(.getSubscriptionGroupConfig, ["group": "g"]))
        #expect(try SubscriptionGroupConfig(parsing: shown.body) == group)
        control.offsets.commit(group: "g", topic: "t", queueID: 0, offset: 1)
        let gone = try peer.ask(RemotingCommand(.deleteSubscriptionGroup, ["groupName": "g", "cleanOffset": "true"]))
        #expect(gone.responseCode == .success)
        #expect(control.groups.existing("g") == nil)
        #expect(control.offsets.topics(of: "g") == [])
        let fresh = try peer.ask(RemotingCommand(.getSubscriptionGroupConfig, ["group": "g"]))
        #expect(try SubscriptionGroupConfig(parsing: fresh.body).retryMaxTimes == 16)
    }

    @Test func `runtime information has every key that tools read`() throws {
        let control = try RunningControl()
        let answer = try control.connect().ask(RemotingCommand(.getBrokerRuntimeInfo))
        let table = try KVTable(parsing: answer.body).table
        #expect(table["commitLogMaxOffset"] == "12519")
        #expect(table["brokerVersionDesc"] == "V5_3_3")
        #expect(table["runtime"]?.hasPrefix("[ 0 days, 0 hours, 0 minutes, ") == true)
        for key in ["putTps", "getTransferredTps"] {
            #expect(table[key]?.split(separator: " ").compactMap { Double($0) }.count == 3)
        }
        for key in ["sendThreadPoolQueueHeadWaitTimeMills", "pageCacheLockTimeMills", "earliestMessageTimeStamp"] {
            #expect(table[key].flatMap { Int($0) } != nil, "\(key)")
        }
    }

    @Test func `configuration is listed and updated`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        let update = RemotingCommand(.updateBrokerConfig, body: Array("autoCreateSubscriptionGroup=false\n".utf8))
        #expect(try peer.ask(update).responseCode == .success)
        #expect(control.groups.config(of: "new") == nil)
        let listed = try peer.ask(RemotingCommand(.getBrokerConfig))
        #expect(String(decoding: listed.body, as: UTF8.self).contains("\nautoCreateSubscriptionGroup=false\n"))
        #expect(try JSON(parsing: listed["version"] ?? "")["counter"] == 1)
        for bad in ["listenPort=1", "nonsense=1", "registerNameServerPeriod=1", "brokerConfigPath=x", "\\u00zz"] {
            let answer = try peer.ask(RemotingCommand(.updateBrokerConfig, body: Array(bad.utf8)))
            #expect(answer.responseCode != .success, "\(bad)")
            #expect(answer.remark?.isEmpty == false, "\(bad)")
        }
    }

    @Test func `a hot update is written into the broker's file, and the rest of it stays`() throws {
        let folder = ControlFolder()
        try folder.write("# mine\nbrokerName=broker-a\ncompressedRegister = false\n\nlistenPort=1", to: "broker.conf")
        let control = try RunningControl(["brokerConfigPath": folder.path + "/broker.conf"])
        let text = "compressedRegister=true\nbrokerPermission=4\n"
        let peer = try control.connect()
        #expect(try peer.ask(RemotingCommand(.updateBrokerConfig, body: Array(text.utf8))).responseCode == .success)
        #expect(
            try folder.text("broker.conf")
                == "# mine\nbrokerName=broker-a\ncompressedRegister=true\n\nlistenPort=1\nbrokerPermission=4\n")
        #expect(folder.names == ["broker.conf"])
        try FileManager.default.removeItem(atPath: folder.path)
        let lost = RemotingCommand(.updateBrokerConfig, body: Array("brokerPermission=6".utf8))
        #expect(try peer.ask(lost).responseCode == .systemError)
    }

    @Test func `expired files and queues are cleaned when an administrator says so`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        try control.topics.put(TopicConfig(topicName: "kept", readQueueNums: 2, writeQueueNums: 1))
        for queueID in 0..<3 { control.store.put("kept", queueID, max: 1) }
        for topic in ["gone", "SCHEDULE_TOPIC_XXXX"] { control.store.put(topic, 0, max: 1) }
        #expect(try peer.ask(RemotingCommand(.deleteExpiredCommitLog)).responseCode == .success)
        #expect(control.store.state.withLock { $0.deleted } == ["expired files"])
        #expect(try peer.ask(RemotingCommand(.cleanExpiredConsumeQueue)).responseCode == .success)
        #expect(control.store.state.withLock { $0.deleted } == ["expired files", "gone/0", "kept/2"])
    }

    @Test(arguments: [
        ("deleteWhen", "02;04 ; 23", true), ("deleteWhen", "24", false), ("deleteWhen", ";", false),
        ("deleteWhen", "four", false), ("fileReservedTime", "1", true), ("fileReservedTime", "-1", false),
        ("diskMaxUsedSpaceRatio", "60", true), ("deleteFileBatchMax", "0", false),
    ])
    func `when files go may change while the broker runs`(key: String, value: String, isAllowed: Bool) throws {
        let control = try RunningControl()
        let peer = try control.connect()
        let before = control.config.current.store.retention
        let answer = try peer.ask(RemotingCommand(.updateBrokerConfig, body: Array("\(key)=\(value)\n".utf8)))
        #expect((answer.responseCode == .success) == isAllowed)
        #expect((control.config.current.store.retention != before) == isAllowed)
        if !isAllowed { #expect(answer.remark?.contains("\(key)=\(value) is not allowed: ") == true) }
        if value.hasPrefix("02") { #expect(control.config.current.store.retention.deleteHours == [2, 4, 23]) }
    }

    @Test func `unused queues are cleaned, and unknown codes are not supported`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        try control.topics.put(TopicConfig(topicName: "kept"))
        for topic in ["kept", "unused", "SCHEDULE_TOPIC_XXXX"] { control.store.put(topic, 0, max: 1) }
        var clean = RemotingCommand(.getAllTopicConfig)
        clean.code = 316
        #expect(try peer.ask(clean).responseCode == .success)
        #expect(control.store.state.withLock { $0.deleted } == ["unused"])
        var unknown = RemotingCommand(.getAllTopicConfig)
        unknown.code = 4711
        let answer = try peer.ask(unknown)
        #expect(answer.responseCode == .requestCodeNotSupported)
        #expect(answer.remark == " request type 4711 not supported")
        #expect(try peer.ask(RemotingCommand(.getAllDelayOffset)).body == Array(#"{"offsetTable":{1:3,3:7}}"#.utf8))
    }
}
