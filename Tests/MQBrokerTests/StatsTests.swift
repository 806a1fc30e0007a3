import MQJSON
import MQProtocol
import MQSystem
import MQTestKit
import Testing

@testable import MQBroker

/// Counters and what they say of the last minute, hour and day; the clock is moved by hand.
@Suite struct StatsTests {
    private let time = Lock<Int64>(1_000_000)
    private let table: StatsTable

    init() { table = StatsTable(clock: WallClock { [time] in time.withLock { $0 } }) }

    /// Ten seconds at a time, as the broker samples.
    private func pass(seconds: Int64, _ each: () -> Void = {}) {
        for _ in 0..<seconds / 10 {
            each()
            time.withLock { $0 += 10_000 }
            table.sample()
        }
    }

    @Test func `a minute's rate is of the last minute`() throws {
        let topic = table.topic("t")
        pass(seconds: 30) { topic.put.add(messages: 10, bytes: 1000, requests: 2) }
        var data = try #require(table.data("TOPIC_PUT_NUMS", key: "t")).minute
        #expect(data == BrokerStatsData.Item(sum: 30, tps: 1, averagePerRequest: 5))
        pass(seconds: 300) { topic.put.add(messages: 20, bytes: 2000, requests: 2) }
        data = try #require(table.data("TOPIC_PUT_NUMS", key: "t")).minute
        #expect(data == BrokerStatsData.Item(sum: 120, tps: 2, averagePerRequest: 10))
        #expect(try #require(table.data("TOPIC_PUT_SIZE", key: "t")).minute.sum == 12_000)
        #expect(table.putRate("t") == 2)
        pass(seconds: 70)
        #expect(table.putRate("t") == 0)
    }

    @Test func `hours and days remember what minutes forget`() throws {
        let group = table.group("g", in: table.topic("t"))
        group.got.add(messages: 7, bytes: 70)
        pass(seconds: 120)
        var data = try #require(table.data("GROUP_GET_NUMS", key: "t@g"))
        #expect((data.minute.sum, data.hour.sum, data.day.sum) == (0, 7, 7))
        pass(seconds: 4200)
        data = try #require(table.data("GROUP_GET_NUMS", key: "t@g"))
        #expect((data.hour.sum, data.day.sum, data.daySum) == (0, 7, 7))
        pass(seconds: 25 * 3600)
        #expect(try #require(table.data("GROUP_GET_NUMS", key: "t@g")).daySum == 0)
    }

    @Test func `what comes late does not count for the time before`() {
        let topic = table.topic("t")
        pass(seconds: 600)
        topic.put.add(messages: 60, bytes: 60)
        #expect(table.putRate("t") == 1)  // in the minute before now
    }

    @Test func `nothing counted, forgotten or of another name has no data`() {
        let topic = table.topic("t")
        #expect(table.data("TOPIC_PUT_NUMS", key: "t") == nil)
        topic.put.add(messages: 1, bytes: 1)
        table.group("g", in: topic).sentBack.add(messages: 1, bytes: 1)
        #expect(table.data("TOPIC_PUT_NUMS", key: "t") != nil)
        #expect(table.data("SNDBCK_PUT_NUMS", key: "t@g") != nil)
        for (name, key) in [
            ("TOPIC_PUT_NUMS", "t@g"), ("GROUP_GET_NUMS", "t"), ("NONSENSE", "t"), ("DLQ_PUT_NUMS", "t@g"),
        ] {
            #expect(table.data(name, key: key) == nil)
        }
        table.forget(group: "g")
        #expect(table.data("SNDBCK_PUT_NUMS", key: "t@g") == nil)
        table.forget(topic: "t")
        #expect(table.data("TOPIC_PUT_NUMS", key: "t") == nil)
    }

    @Test func `put latency has classes, percentiles and a largest value`() {
        var latency = PutLatency()
        latency.record(nanoseconds: 400_000, times: 980)
        latency.record(nanoseconds: 30_000_000, times: 15)
        latency.record(nanoseconds: 1_500_000_000, times: 5)
        func values() -> [String: String] { Dictionary(uniqueKeysWithValues: latency.runtimeValues) }
        let first = values()
        #expect(first["putMessageDistributeTime"]?.hasPrefix("[<=0ms]:980 [0~10ms]:0 [10~50ms]:15 ") == true)
        #expect(first["putMessageDistributeTime"]?.contains("[1~2s]:5 ") == true)
        #expect(first["putMessageEntireTimeMax"] == "1500")
        #expect(first["putLatency99"]?.hasPrefix("30.0") == true)
        #expect(first["putLatency999"]?.hasPrefix("150") == true)
        latency.turn()
        latency.record(nanoseconds: 1, times: 1)
        #expect(values()["putLatency99"] == first["putLatency99"])  // the last whole minute's
        latency.turn()
        #expect(values()["putLatency99"] == "0.00")
        #expect(values()["putMessageEntireTimeMax"] == "1500")
    }
}

/// The requests about them, over a real connection.
@Suite struct ControlStatisticsTests {
    private func stats(_ peer: RemotingPeer, _ name: String, _ key: String) throws -> RemotingCommand {
        try peer.ask(RemotingCommand(.viewBrokerStatsData, ["statsName": name, "statsKey": key]))
    }

    @Test func `statistics are told by name and key`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        let topic = control.topics.stats.topic("t")
        topic.put.add(messages: 3, bytes: 300, requests: 1)
        control.topics.stats.group("g", in: topic).got.add(messages: 2, bytes: 200)
        control.stats.messagesIn.add(3)
        #expect(try BrokerStatsData(parsing: stats(peer, "TOPIC_PUT_SIZE", "t").body).minute.sum == 300)
        #expect(try BrokerStatsData(parsing: stats(peer, "GROUP_GET_NUMS", "t@g").body).daySum == 2)
        #expect(try BrokerStatsData(parsing: stats(peer, "BROKER_PUT_NUMS", "DefaultCluster").body).day.sum == 3)
        let unknown = try stats(peer, "TOPIC_PUT_NUMS", "other")
        #expect(unknown.responseCode == .systemError)
        #expect(unknown.remark == "The stats <TOPIC_PUT_NUMS> <other> not exist")
        try control.topics.put(TopicConfig(topicName: "t"))
        let shown = try peer.ask(RemotingCommand(.getTopicStatsInfo, ["topic": "t"]))
        #expect(try TopicStatsTable(parsing: shown.body).topicPutTps == 0)  // the clock stands still
        #expect(
            try peer.ask(RemotingCommand(.viewBrokerStatsData, ["statsName": "x"])).remark?.contains("<statsKey>")
                == true)
    }

    @Test func `the progress of all groups comes in one answer`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        try control.topics.put(TopicConfig(topicName: "t", readQueueNums: 1, writeQueueNums: 1))
        try control.topics.put(TopicConfig(topicName: "o", readQueueNums: 1, writeQueueNums: 1, order: true))
        for topic in ["t", "o"] {
            control.store.put(topic, 0, max: 10)
            control.offsets.commit(group: "g", topic: topic, queueID: 0, offset: 4)
        }
        _ = control.groups.config(of: "g")
        func ask(_ isOrder: String) throws -> ConsumeStatsList {
            try ConsumeStatsList(parsing: peer.ask(RemotingCommand(.getBrokerConsumeStats, ["isOrder": isOrder])).body)
        }
        let all = try ask("false")
        #expect(all.totalDiff == 12)
        #expect(all.groups.first { $0.name == "g" }?.stats.count == 2)
        #expect(all.groups.contains { $0.name == "TOOLS_CONSUMER" && $0.stats.isEmpty })
        let ordered = try ask("true")
        #expect(ordered.totalDiff == 6)
        #expect(ordered.groups.first { $0.name == "g" }?.stats.first?.offsetTable.keys.first?.topic == "o")
        let spans = try QueryConsumeTimeSpanBody(
            parsing: peer.ask(RemotingCommand(.queryConsumeTimeSpan, ["topic": "t", "group": "g"])).body
        ).spans
        #expect(spans.count == 1)
        #expect((spans[0].minTimestamp, spans[0].maxTimestamp, spans[0].consumeTimestamp) == (1000, 1009, 1003))
        #expect(spans[0].delayMilliseconds > 0)
    }

    @Test func `a queue's units are shown, as far as they are there`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        control.store.put("t", 0, min: 2, max: 6)
        func ask(_ index: Int, _ count: Int, queue: Int = 0) throws -> RemotingCommand {
            try peer.ask(
                RemotingCommand(
                    .queryConsumeQueue,
                    [
                        "topic": "t", "queueId": String(queue), "index": String(index), "count": String(count),
                        "consumerGroup": "g",
                    ]))
        }
        let body = try QueryConsumeQueueResponseBody(parsing: ask(4, 10).body)
        #expect((body.minIndex, body.maxIndex) == (2, 6))
        #expect(body.units.map(\.physicalOffset) == [400, 500])
        #expect(body.filterData == "g@t is not online!")
        let outside = try ask(6, 10)
        #expect(outside.responseCode == .success && outside.remark == "Index 6 of 0@t is not exist!")
        #expect(try ask(0, 1, queue: 3).remark == "3@t is not exist!")
        #expect(try ask(4, Int(Int32.max)).responseCode == .success)
    }

    @Test func `producers and subscriptions are shown`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        _ = try peer.ask(.heartbeat("someone", producers: ["p"], consumers: [.group("g", "t")]))
        let producers = try ProducerTableInfo(parsing: peer.ask(RemotingCommand(.getAllProducerInfo)).body)
        #expect(producers.data["p"]?.map(\.clientID) == ["someone"])
        func ask(_ topic: String) throws -> QuerySubscriptionResponseBody {
            try QuerySubscriptionResponseBody(
                parsing: peer.ask(RemotingCommand(.querySubscriptionByConsumer, ["group": "g", "topic": topic])).body)
        }
        #expect(try ask("t").subscription?.subString == "*")
        #expect(try ask("other").subscription == nil)
    }

    @Test func `topics and groups are made many at once, or none`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        func order(_ topics: TopicConfig...) throws -> ResponseCode {
            try peer.ask(
                RemotingCommand(.updateAndCreateTopicList, body: CreateTopicListRequestBody(topics: topics).encoded())
            ).responseCode
        }
        let typed = TopicConfig(topicName: "b", readQueueNums: 3, attributes: ["+message.type": "FIFO"])
        #expect(try order(TopicConfig(topicName: "a", readQueueNums: 2), typed) == .success)
        #expect(control.topics.config(of: "a")?.readQueueNums == 2)
        #expect(control.topics.config(of: "b")?.attributes == ["message.type": "FIFO"])
        #expect(try order(TopicConfig(topicName: "c"), TopicConfig(topicName: "../d")) == .invalidParameter)
        #expect(try order(TopicConfig(topicName: "c", writeQueueNums: -1)) == .invalidParameter)
        #expect(try order(TopicConfig(topicName: "broker-a")) == .invalidParameter)
        #expect(control.topics.config(of: "c") == nil)
        func order(_ groups: SubscriptionGroupConfig...) throws -> ResponseCode {
            try peer.ask(
                RemotingCommand(
                    .updateAndCreateSubscriptionGroupList, body: SubscriptionGroupList(groups: groups).encoded())
            ).responseCode
        }
        #expect(
            try order(SubscriptionGroupConfig(groupName: "g1"), SubscriptionGroupConfig(groupName: "g2")) == .success)
        #expect(control.groups.existing("g2") != nil)
        #expect(
            try order(SubscriptionGroupConfig(groupName: "g3"), SubscriptionGroupConfig(groupName: ""))
                == .invalidParameter)
        #expect(control.groups.existing("g3") == nil)
        #expect(try peer.ask(RemotingCommand(.updateAndCreateTopicList, body: [1, 2])).responseCode != .success)
    }
}
