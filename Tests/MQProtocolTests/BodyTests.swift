import MQJSON
import MQProtocol
import MQTestKit
import Testing

/// Goal: bodies of Java and C++ peers become values, and what we write says the same to them.
/// Method: every recorded body of a known kind is read, written and compared with the recording.
@Suite struct BodyTests {
    /// Reads as `Body` and gives back what we would write.
    private static func rewriting<Body: JSONBody>(_: Body.Type) -> @Sendable (JSON) throws -> JSON {
        { json in
            let body = try Body(json: json)
            #expect(try Body(parsing: body.encoded()) == body)
            #expect(try Body(parsing: body.encoded(.standard)) == body || json.text().contains("{{"))
            return body.json
        }
    }

    /// Kind and code of a frame → how to rewrite its body.
    private static func rewriter(kind: String, code: Int) -> (@Sendable (JSON) throws -> JSON)? {
        switch (kind == "response", code) {
        case (false, 34): rewriting(HeartbeatData.self)
        case (false, 41), (false, 42): rewriting(LockBatchRequestBody.self)
        case (false, 46): rewriting(CheckClientRequestBody.self)
        case (false, 103): rewriting(RegisterBrokerBody.self)
        case (false, 200): rewriting(SubscriptionGroupConfig.self)
        case (true, 21): rewriting(TopicConfigSerializeWrapper.self)
        case (true, 28), (true, 103), (true, 219): rewriting(KVTable.self)
        case (true, 38): rewriting(ConsumerIDList.self)
        case (true, 41): rewriting(LockBatchResponseBody.self)
        case (true, 43): rewriting(ConsumerOffsetSerializeWrapper.self)
        case (true, 45): rewriting(DelayOffsetSerializeWrapper.self)
        case (true, 105): rewriting(TopicRouteData.self)
        case (true, 106): rewriting(ClusterInfo.self)
        case (true, 201): rewriting(SubscriptionGroupWrapper.self)
        case (true, 202): rewriting(TopicStatsTable.self)
        case (true, 203): rewriting(ConsumerConnection.self)
        case (true, 204): rewriting(ProducerConnection.self)
        case (true, 206), (true, 224), (true, 304): rewriting(TopicList.self)
        case (true, 208): rewriting(ConsumeStats.self)
        case (true, 300): rewriting(GroupList.self)
        case (true, 351): rewriting(TopicConfig.self)
        default: nil
        }
    }

    @Test(arguments: Golden.versions)
    func `recorded bodies are read and rewritten`(version: String) throws {
        var codes: Set<Int> = []
        for frame in try Golden.frames(version: version) where frame.body.first == UInt8(ascii: "{") {
            guard let rewrite = Self.rewriter(kind: frame.kind, code: frame.askedCode) else { continue }
            codes.insert(frame.askedCode)
            // In the standard form: version 4.9.4 and later quote the integer keys of routes.
            let recorded = try JSON(parsing: JSON(parsing: frame.body).encoded(.standard))
            let rewritten = try JSON(parsing: rewrite(JSON(parsing: frame.body)).encoded(.standard))
            // Version 5 bodies come back whole; older and C++ ones gain the members they lack.
            let isWhole = version == "5.3.3" && !frame.from.hasPrefix("c++") && frame.askedCode != 43
            if isWhole { #expect(rewritten == recorded, "\(frame.name)") }
            if !frame.from.hasPrefix("c++") {
                #expect(recorded.isIncluded(in: rewritten), "\(frame.name)")
            }
        }
        print("\(version): bodies of codes \(codes.sorted())")
        #expect(codes.count >= 17)
    }

    @Test func `librocketmq's heartbeat has ordinals and versions as text`() throws {
        let heartbeats = try Golden.frames(version: "5.3.3")
            .filter { $0.askedCode == 34 && $0.from.hasPrefix("c++") && $0.kind == "request" }
            .map { try HeartbeatData(parsing: $0.body) }
        let consumer = try #require(heartbeats.flatMap(\.consumerDataSet).first { $0.groupName == "cpp_g" })
        #expect(consumer.consumeType == .passively)
        #expect(consumer.messageModel == .clustering)
        #expect(consumer.consumeFromWhere == .lastOffset)
        let subscription = try #require(consumer.subscriptionDataSet.first { $0.topic == "gold_t" })
        #expect(subscription.tagsSet == ["A"])
        #expect(subscription.subVersion > 1_700_000_000_000)
        #expect(subscription.expressionType == "TAG")
    }

    @Test func `routes have two forms`() throws {
        let route = TopicRouteData(
            brokerDatas: [BrokerData(cluster: "c", brokerName: "b", brokerAddrs: [1: "y:2", 0: "x:1"])],
            queueDatas: [QueueData(brokerName: "b", readQueueNums: 4, writeQueueNums: 4, perm: [.read, .write])])
        let tail =
            #"},"brokerName":"b","cluster":"c","enableActingMaster":false}],"filterServerTable":{},"#
            + #""queueDatas":[{"brokerName":"b","perm":6,"readQueueNums":4,"topicSysFlag":0,"writeQueueNums":4}]}"#
        #expect(route.json.text() == #"{"brokerDatas":[{"brokerAddrs":{0:"x:1",1:"y:2""# + tail)
        #expect(route.json.text(.standard) == #"{"brokerDatas":[{"brokerAddrs":{"0":"x:1","1":"y:2""# + tail)
        #expect(try TopicRouteData(parsing: route.encoded(.standard)) == route)
        #expect(try QueueData(json: ["brokerName": "b", "topicSynFlag": 1]).topicSysFlag == 1)
    }

    @Test func `queues as keys`() throws {
        let queue = MessageQueue(topic: "t", brokerName: "b", queueID: 3)
        let stats = TopicStatsTable(offsetTable: [
            queue: .init(minOffset: 1, maxOffset: 5, lastUpdateTimestamp: 9)
        ])
        #expect(
            stats.json.text()
                == #"{"offsetTable":{{"brokerName":"b","queueId":3,"topic":"t"}:"#
                + #"{"lastUpdateTimestamp":9,"maxOffset":5,"minOffset":1}}}"#)
        #expect(try TopicStatsTable(parsing: stats.encoded()) == stats)
    }

    @Test(
        arguments: [
            ("[]", BodyError.notAnObject(body: "TopicConfig")),
            ("{}", .missing(body: "TopicConfig", member: "topicName")),
            (#"{"topicName":null}"#, .missing(body: "TopicConfig", member: "topicName")),
            (#"{"topicName":"t","perm":[]}"#, .badMember(body: "TopicConfig", member: "perm")),
            (#"{"topicName":"t","perm":99999999999}"#, .badMember(body: "TopicConfig", member: "perm")),
            (#"{"topicName":{}}"#, .badMember(body: "TopicConfig", member: "topicName")),
            (#"{"topicName":"t","attributes":{"a":{}}}"#, .badMember(body: "TopicConfig", member: "attributes")),
            ("{", .json(.truncated(at: 1))),
        ] as [(String, BodyError)])
    func `a refusal names the member`(text: String, error: BodyError) {
        #expect(throws: error) { try TopicConfig(parsing: Array(text.utf8)) }
    }
}

extension JSON {
    /// Whether every member and element of this is in `other`.
    func isIncluded(in other: JSON) -> Bool {
        switch (self, other) {
        case (.object(let mine), .object(let theirs)):
            mine.allSatisfy { member in theirs[key: member.key].map { member.value.isIncluded(in: $0) } ?? false }
        case (.array(let mine), .array(let theirs)):
            mine.count == theirs.count && zip(mine, theirs).allSatisfy { $0.isIncluded(in: $1) }
        default: self == other
        }
    }
}
