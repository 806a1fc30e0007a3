import Foundation
import MQBase
import MQBytes
import MQMessage
import MQProtocol
import MQTestKit
import Testing

@testable import MQBroker
@testable import MQStore

/// Sends against a whole broker: what is answered, and what is stored.
@Suite struct BrokerSendTests {
    private let running: RunningBroker
    private let peer: RemotingPeer

    init() throws {
        running = try RunningBroker()
        peer = try running.connect()
    }

    private func messages(_ topic: String, queue: Int = 0, count: Int = 1) throws -> [Pulled] {
        var found: [Pulled] = []
        while found.count < count {
            let answer = try peer.ask(.pull(topic, queue: queue, from: Int64(found.count), wait: 10_000))
            try #require(answer.responseCode == .success)
            found += try Pulled.all(answer)
        }
        return found
    }

    @Test(arguments: [SerializeType.json, .rocketMQ])
    func `a send is answered with Java's fields`(type: SerializeType) throws {
        let properties =
            "KEYS\u{1}k1 k2\u{2}UNIQ_KEY\u{1}7F00000100004F250000000000000001\u{2}WAIT\u{1}true\u{2}TAGS\u{1}A\u{2}"
        let answer = try peer.ask(.put("gold_t", queue: 1, properties: properties), as: type)
        #expect(answer.responseCode == .success && answer.remark == nil && answer.body.isEmpty)
        #expect(answer.names == ["queueId", "transactionId", "msgId", "TRACE_ON", "MSG_REGION", "queueOffset"])
        #expect(answer["queueId"] == "1" && answer["queueOffset"] == "0")
        #expect(answer["transactionId"] == "7F00000100004F250000000000000001")
        #expect(answer["TRACE_ON"] == "true" && answer["MSG_REGION"] == "DefaultRegion")
        let port = String(running.port, radix: 16, uppercase: true)
        #expect(
            answer["msgId"] == "7F000001" + String(repeating: "0", count: 8 - port.count) + port + "0000000000000000")
        let stored = try #require(messages("gold_t", queue: 1).first)
        #expect(stored.text == "hello" && stored.topic == "gold_t" && stored.record.queueID == 1)
        #expect(stored.record.bornTimestamp.rawValue == 1_795_241_524_644 && stored.record.flag == 0)
        #expect(
            stored.properties == [
                "KEYS": "k1 k2", "UNIQ_KEY": "7F00000100004F250000000000000001", "WAIT": "true", "TAGS": "A",
                "MSG_REGION": "DefaultRegion", "TRACE_ON": "true", "CLUSTER": "DefaultCluster",
            ])
    }

    @Test func `code 10 says the same by long names`() throws {
        let send = RemotingCommand(
            .sendMessage,
            [
                "producerGroup": "p", "topic": "gold_t", "defaultTopic": "TBW102", "defaultTopicQueueNums": "4",
                "queueId": "3",
                "sysFlag": "0", "bornTimestamp": "5", "flag": "-7", "properties": "TAGS\u{1}A", "reconsumeTimes": "0",
                "unitMode": "false", "batch": "0",
            ], body: Array("ten".utf8))
        let answer = try peer.ask(send)
        #expect(answer["queueId"] == "3" && answer["queueOffset"] == "0" && answer["transactionId"]?.count == 32)
        let stored = try #require(messages("gold_t", queue: 3).first)
        #expect(stored.text == "ten" && stored.record.flag == -7 && stored.properties["TAGS"] == "A")
        #expect(stored.properties["UNIQ_KEY"] == answer["transactionId"])
    }

    @Test func `a batch gets one answer with all ids`() throws {
        var body = ByteBuffer()
        for number in 0..<3 {
            let properties = "UNIQ_KEY\u{1}key\(number)\u{2}TAGS\u{1}T\(number)"
            MessageBatch.append(
                flag: Int32(number), body: Array("m\(number)".utf8).span, properties: Array(properties.utf8).span,
                to: &body)
        }
        var send = RemotingCommand.put("gold_t", with: ["m": "true", "i": "WAIT\u{1}true"])
        send.code = RequestCode.sendBatchMessage.rawValue
        send.body = body.toArray()
        let answer = try peer.ask(send)
        #expect(answer.responseCode == .success && answer["queueOffset"] == "0")
        let ids = try #require(answer["msgId"]).split(separator: ",")
        #expect(ids.count == 3 && ids.allSatisfy { $0.count == 32 } && Set(ids).count == 3)
        #expect(answer.names == ["queueId", "transactionId", "msgId", "TRACE_ON", "MSG_REGION", "queueOffset"])
        let stored = try messages("gold_t", count: 3)
        #expect(stored.map(\.text) == ["m0", "m1", "m2"] && stored.map(\.record.flag) == [0, 1, 2])
        #expect(stored.map { $0.properties["TAGS"] } == ["T0", "T1", "T2"])
        #expect(stored.map(\.record.queueOffset) == [0, 1, 2])
    }

    @Test func `an unknown topic is made after the pattern the producer names`() throws {
        #expect(try peer.ask(.put("fresh", with: ["d": "3"])).responseCode == .success)
        let config = try peer.ask(RemotingCommand(.getTopicConfig, ["topic": "fresh"]))
        let text = String(decoding: config.body, as: UTF8.self)
        #expect(text.contains("\"readQueueNums\":3") && text.contains("\"perm\":6"), "\(text)")
        #expect(try peer.ask(.put("other", with: ["c": "no_such_pattern"])).responseCode == .topicNotExist)
        let refused = try peer.ask(.put("other", with: ["c": "SELF_TEST_TOPIC"]))
        #expect(
            refused.responseCode == .topicNotExist
                && refused.remark?.hasPrefix("topic[other] not exist, apply first please!") == true)
    }

    @Test func `no topic is made where that is off`() throws {
        let strict = try RunningBroker(["autoCreateTopicEnable": "false"])
        let answer = try strict.connect().ask(.put("fresh"))
        #expect(answer.responseCode == .topicNotExist)
    }

    @Test(arguments: ["0", "-5", "-2147483648"])
    func `a producer that wants no queues gets one`(count: String) throws {
        #expect(try peer.ask(.put("one", with: ["d": count])).responseCode == .success)
        #expect(try peer.ask(.put("one", queue: 1)).responseCode == .invalidParameter)
        #expect(try peer.ask(.put("one", queue: -1))["queueId"] == "0")
    }

    @Test func `a topic that is being drained takes what is still sent to it`() throws {
        _ = try peer.ask(.topic("readonly", perm: 4))
        #expect(try peer.ask(.put("readonly", "late")).responseCode == .success)
        #expect(try Pulled.all(peer.ask(.pull("readonly", wait: 10_000))).map(\.text) == ["late"])
    }

    @Test func `a name with an escape in it is the same name`() throws {
        let header =
            #"{"code":310,"extFields":{"a":"p","b":"SELF_TEST_TOPI\u0043","c":"TBW102","d":"4","e":"0"},"flag":0,"opaque":1}"#
        var sneaky = ByteBuffer()
        sneaky.append(bigEndian: Int32(4 + header.utf8.count))
        sneaky.append(bigEndian: Int32(header.utf8.count))
        sneaky.append(utf8: header)
        peer.send(sneaky.toArray())
        #expect(try peer.receive().responseCode == .noPermission)
    }

    @Test(arguments: [
        "SCHEDULE_TOPIC_XXXX", "RMQ_SYS_TRANS_HALF_TOPIC", "RMQ_SYS_TRANS_OP_HALF_TOPIC", "TRANS_CHECK_MAX_TIME_TOPIC",
        "SELF_TEST_TOPIC", "OFFSET_MOVED_EVENT",
    ])
    func `the broker's own topics take nothing`(topic: String) throws {
        let answer = try peer.ask(.put(topic))
        #expect(
            answer.responseCode == .noPermission && answer.remark == "Sending message to topic[\(topic)] is forbidden.")
    }

    @Test(arguments: [
        "", " ", "../../etc", "a/b", "a.b", "täg", "a b", "a\u{0}b", "a\nb", "/", "..",
        String(repeating: "x", count: 128),
        "%RETRY%" + String(repeating: "x", count: 249),
    ])
    func `names that no topic may have are refused, and nothing is made`(topic: String) throws {
        let before = try FileManager.default.subpathsOfDirectory(atPath: running.folder.path).filter(isQueueFile)
        let answer = try peer.ask(.put(topic))
        #expect(answer.responseCode == .invalidParameter && answer.remark?.isEmpty == false, "\(answer)")
        let after = try FileManager.default.subpathsOfDirectory(atPath: running.folder.path).filter(isQueueFile)
        #expect(before == after)
    }

    private func isQueueFile(_ path: String) -> Bool { !path.hasPrefix("config") && !path.hasPrefix("commitlog/") }

    @Test func `the longest names work`() throws {
        let name = String(repeating: "x", count: 127)
        #expect(try peer.ask(.put(name)).responseCode == .success)
        #expect(try messages(name).count == 1)
    }

    @Test func `a queue that is not there is refused, a negative one is chosen`() throws {
        let wrong = try peer.ask(.put("gold_t", queue: 4))
        #expect(
            wrong.responseCode == .invalidParameter && wrong.remark?.hasPrefix("request queueId[4] is illegal") == true)
        #expect(try peer.ask(.put("gold_t", with: ["e": "2147483647"])).responseCode == .invalidParameter)
        var seen = Set<String>()
        for _ in 0..<100 { seen.insert(try peer.ask(.put("gold_t", queue: -1))["queueId"] ?? "?") }
        #expect(seen == ["0", "1", "2", "3"])
    }

    @Test func `a body over maxMessageSize is refused, the largest is stored`() throws {
        let small = try RunningBroker(["maxMessageSize": "65536"])
        let peer = try small.connect()
        #expect(try peer.ask(.put("t", String(repeating: "x", count: 65_536))).responseCode == .success)
        let answer = try peer.ask(.put("t", String(repeating: "x", count: 65_537)))
        #expect(answer.responseCode == .messageIllegal && answer.remark?.contains("65536") == true)
        #expect(try peer.ask(.put("t", "")).responseCode == .success)
        let stored = try Pulled.all(peer.ask(.pull("t", wait: 10_000)))
        #expect(stored.map(\.body.count).first == 65_536)
    }

    @Test func `properties over 32,767 bytes are refused`() throws {
        for count in [32_768, 40_000, 500_000] {
            let answer = try peer.ask(.put("t", properties: "a\u{1}" + String(repeating: "x", count: count)))
            #expect(answer.responseCode == .messageIllegal && answer.remark?.contains("32KB") == true)
        }
        #expect(
            try peer.ask(.put("t", properties: "a\u{1}" + String(repeating: "x", count: 32_500))).responseCode
                == .success)
        #expect(try messages("t").first?.properties["a"]?.count == 32_500)
    }

    @Test func `a sector of zeroes in the properties is refused, and fewer zeroes are kept`() throws {
        let zeroes = { (count: Int) in "a\u{1}x" + String(repeating: "\0", count: count) }
        for count in [512, 1000, 20_000] {
            let answer = try peer.ask(.put("t", properties: zeroes(count)))
            #expect(answer.responseCode == .messageIllegal && answer.remark?.contains("512 zero bytes") == true)
        }
        #expect(try peer.ask(.put("t", properties: zeroes(511))).responseCode == .success)
        #expect(try messages("t").first?.properties["a"]?.utf8.count == 512)
    }

    @Test func `odd properties are kept as they are`() throws {
        let odd = [
            "\u{2}\u{2}", "novalue", "a\u{1}", "\u{1}b", "a\u{1}b\u{1}c\u{2}", "x\u{1}\"\\\n é😀", "UNIQ_KEY\u{1}",
        ]
        for (index, text) in odd.enumerated() {
            let answer = try peer.ask(.put("odd", properties: text))
            #expect(answer.responseCode == .success && answer["queueOffset"] == String(index), "\(text)")
            #expect(answer["transactionId"]?.count == 32)
        }
        #expect(
            try messages("odd", count: odd.count).last(where: { $0.properties["x"] != nil })?.properties["x"]
                == "\"\\\n é😀")
    }

    @Test(arguments: 0..<3) func `what a send tells dispatch is what its record says`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let words = [
            "TAGS", "KEYS", "UNIQ_KEY", "WAIT", "\u{1}", "\u{1}", "\u{1}", "\u{2}", "\u{2}", " ", "a", "key", "\0", "é",
        ]
        let store = try #require(running.broker).store
        for number in 0..<300 {
            let text = (0..<Int.random(in: 0...14, using: &random)).map { _ in words.randomElement(using: &random)! }
                .joined()
            let answer = try peer.ask(.put("facts", properties: text))
            try #require(answer.responseCode == .success && answer["queueOffset"] == String(number))
        }
        #expect(try messages("facts", count: 300).count == 300)
        let queue = try #require(store.existingQueue("facts", 0))
        for offset in 0..<Int64(300) {
            let unit = try #require(try queue.unit(at: offset))
            let (properties, hash, keys) = try #require(
                store.withRecord(at: unit.physicalOffset) { record, bytes in
                    let properties = bytes.extracting(record.properties)
                    let facts = PropertyFacts(properties)
                    return (
                        properties.toString(), facts.tagsHash,
                        (0..<facts.keyCount).map { properties.extracting(facts.key($0)).toString() }
                    )
                })
            #expect(unit.tagsCode == Int64(hash), "\(properties.debugDescription) seed \(seed)")
            for key in keys {
                let found = store.index?.offsets(topic: "facts", key: key, time: 0...(.max / 2), limit: 1000)
                #expect(
                    found?.contains(unit.physicalOffset) == true,
                    "\(key) of \(properties.debugDescription) seed \(seed)")
            }
        }
    }

    @Test func `a unique key that needs escapes does not break the answer`() throws {
        let key = "a\"b\\c\u{3}d\n"
        for type in [SerializeType.json, .rocketMQ] {
            let answer = try peer.ask(.put("t", properties: "UNIQ_KEY\u{1}\(key)\u{2}"), as: type)
            #expect(answer["transactionId"] == key)
        }
    }

    @Test func `one-way sends are stored and not answered`() throws {
        var send = RemotingCommand.put("t", "quiet")
        send.isOneWay = true
        peer.post(send)
        var bad = RemotingCommand.put("SCHEDULE_TOPIC_XXXX")
        bad.isOneWay = true
        peer.post(bad)
        #expect(try peer.ask(.put("t", "loud"))["queueOffset"] == "1")
        #expect(try messages("t", count: 2).map(\.text) == ["quiet", "loud"])
    }

    @Test func `sends of one packet keep their order`() throws {
        var packet: [UInt8] = []
        for number in 0..<500 {
            var send = RemotingCommand.put("t", "m\(number)")
            send.opaque = Int32(number)
            packet += send.frame()
        }
        peer.send(packet)
        for number in 0..<500 {
            let answer = try peer.receive()
            #expect(answer.opaque == Int32(number) && answer["queueOffset"] == String(number))
        }
        var offset: Int64 = 0
        var texts: [String] = []
        while offset < 500 {
            let answer = try peer.ask(.pull("t", from: offset, wait: 10_000))
            texts += try Pulled.all(answer).map(\.text)
            offset = try #require(answer.int64("nextBeginOffset"))
        }
        #expect(texts == (0..<500).map { "m\($0)" })
    }
}

/// Delayed messages, send-backs, retries and dead letters.
@Suite struct BrokerRetryTests {
    private let running: RunningBroker
    private let peer: RemotingPeer

    init() throws {
        running = try RunningBroker()
        peer = try running.connect()
    }

    @Test func `a delayed message comes to its topic when it is due`() throws {
        let started = ContinuousClock.now
        let answer = try peer.ask(
            .put("later", queue: 2, properties: "DELAY\u{1}1\u{2}TAGS\u{1}A\u{2}UNIQ_KEY\u{1}u\u{2}"))
        #expect(answer.responseCode == .success && answer["queueId"] == "2")
        #expect(try peer.ask(.pull("later", queue: 2)).responseCode == .pullNotFound)
        let waiting = try Pulled.all(peer.ask(.pull("SCHEDULE_TOPIC_XXXX", queue: 0, wait: 5000)))
        #expect(waiting.first?.properties["REAL_TOPIC"] == "later" && waiting.first?.properties["REAL_QID"] == "2")
        let found = try peer.ask(.pull("later", queue: 2, wait: 15_000, tags: "A"))
        let waited = ContinuousClock.now - started
        #expect(waited >= .milliseconds(990) && waited < .seconds(10), "\(waited)")
        let stored = try #require(Pulled.all(found).first)
        #expect(stored.topic == "later" && stored.record.queueID == 2 && stored.text == "hello")
        #expect(
            stored.properties["DELAY"] == "1" && stored.properties["REAL_TOPIC"] == "later"
                && stored.properties["UNIQ_KEY"] == "u")
        #expect(stored.record.bornTimestamp.rawValue == 1_795_241_524_644)
    }

    /// A consumer that sends its retry itself copies the properties of a message that was delayed before.
    @Test func `where a message was delayed before does not matter`() throws {
        let copied = "REAL_TOPIC\u{1}elsewhere\u{2}REAL_QID\u{1}9\u{2}DELAY\u{1}1\u{2}TAGS\u{1}A\u{2}"
        #expect(try peer.ask(.put("later", queue: 1, properties: copied)).responseCode == .success)
        let stored = try Pulled.all(peer.ask(.pull("later", queue: 1, wait: 15_000)))
        #expect(stored.first?.topic == "later" && stored.first?.properties["REAL_QID"] == "1")
        #expect(try peer.ask(.pull("elsewhere")).responseCode == .topicNotExist)
    }

    @Test func `levels past the last count as the last, none as none, and what is no number is refused`() throws {
        _ = try peer.ask(.put("later", properties: "DELAY\u{1}99"))
        _ = try peer.ask(.put("later", properties: "DELAY\u{1}9223372036854775807"))
        #expect(try Pulled.all(peer.ask(.pull("SCHEDULE_TOPIC_XXXX", queue: 4, wait: 5000))).count >= 1)
        for level in ["x", "", "1.5", "99999999999999999999"] {
            let refused = try peer.ask(.put("soon", "bad", properties: "DELAY\u{1}\(level)\u{2}"))
            #expect(refused.responseCode == .messageIllegal)
            #expect(refused.remark == "the message's delay level is not a number: DELAY=\(level)")
        }
        for level in ["0", "-3"] {
            let answer = try peer.ask(.put("soon", "d\(level)", properties: "DELAY\u{1}\(level)\u{2}"))
            #expect(answer.responseCode == .success)
        }
        #expect(try Pulled.all(peer.ask(.pull("soon", wait: 10_000))).first?.text == "d0")
    }

    @Test func `delayed messages survive a restart`() throws {
        _ = try peer.ask(.put("later", properties: "DELAY\u{1}2\u{2}"))
        try running.restart()
        let stored = try Pulled.all(running.connect().ask(.pull("later", wait: 15_000)))
        #expect(stored.count == 1 && stored.first?.text == "hello")
    }

    @Test func `a message that is sent back comes again, then goes to the dead letters`() throws {
        let sent = try peer.ask(.put("work", "job", properties: "KEYS\u{1}k\u{2}UNIQ_KEY\u{1}unique\u{2}"))
        let id = try #require(sent["msgId"])
        _ = try peer.ask(.heartbeat(group: "workers", topic: "work"))
        let first = try #require(Pulled.all(peer.ask(.pull("work", group: "workers", wait: 10_000))).first)
        let back = try peer.ask(.sendBack(first.record.physicalOffset, group: "workers", level: 1, max: 1))
        #expect(back.responseCode == .success && back.fields.isEmpty, "\(back)")
        let again = try #require(Pulled.all(peer.ask(.pull("%RETRY%workers", group: "workers", wait: 15_000))).first)
        #expect(again.text == "job" && again.record.reconsumeTimes == 1 && again.topic == "%RETRY%workers")
        #expect(again.properties["RETRY_TOPIC"] == "work" && again.properties["ORIGIN_MESSAGE_ID"] == id)
        #expect(
            again.properties["UNIQ_KEY"] == "unique" && again.properties["DELAY"] == "1"
                && again.properties["WAIT"] == "false")
        #expect(try peer.ask(.sendBack(again.record.physicalOffset, group: "workers", max: 1)).responseCode == .success)
        let dead = try #require(Pulled.all(peer.ask(.pull("%DLQ%workers", group: "workers", wait: 10_000))).first)
        #expect(dead.text == "job" && dead.record.reconsumeTimes == 2 && dead.properties["ORIGIN_MESSAGE_ID"] == id)
        #expect(dead.properties["RETRY_TOPIC"] == "work" && dead.record.queueID == 0)
    }

    @Test func `level 0 waits longer every time, a negative level is death`() throws {
        _ = try peer.ask(.put("work"))
        _ = try peer.ask(.heartbeat(group: "workers", topic: "work"))
        let first = try #require(Pulled.all(peer.ask(.pull("work", group: "workers", wait: 10_000))).first)
        #expect(
            try peer.ask(.sendBack(first.record.physicalOffset, group: "workers", level: 0)).responseCode == .success)
        #expect(
            try Pulled.all(peer.ask(.pull("SCHEDULE_TOPIC_XXXX", queue: 2, wait: 5000))).first?.properties["DELAY"]
                == "3")
        #expect(
            try peer.ask(.sendBack(first.record.physicalOffset, group: "workers", level: -1)).responseCode == .success)
        #expect(try Pulled.all(peer.ask(.pull("%DLQ%workers", group: "workers", wait: 10_000))).count == 1)
    }

    @Test func `what cannot be sent back is refused`() throws {
        _ = try peer.ask(.put("work"))
        _ = try peer.ask(.heartbeat(group: "workers", topic: "work"))
        for offset in [Int64.min, -1, 1, 90, 1 << 40, .max] {
            #expect(try peer.ask(.sendBack(offset, group: "workers")).responseCode == .systemError, "\(offset)")
        }
        for group in ["", "../x", "a b", String(repeating: "g", count: 256)] {
            let answer = try peer.ask(.sendBack(0, group: group))
            #expect(answer.responseCode != .success && answer.remark?.isEmpty == false)
        }
        for level in ["x", "", "99999999999"] {
            var request = RemotingCommand.sendBack(0, group: "workers")
            request["delayLevel"] = level
            #expect(try peer.ask(request).responseCode != .success)
        }
    }

    @Test func `a retry that the consumer sends itself is buried over the limit`() throws {
        _ = try peer.ask(.heartbeat(group: "workers", topic: "work"))
        #expect(try peer.ask(.put("%RETRY%workers", "alive", with: ["j": "3", "l": "3"])).responseCode == .success)
        #expect(try peer.ask(.put("%RETRY%workers", "dead", with: ["j": "4", "l": "3"])).responseCode == .success)
        #expect(
            try Pulled.all(peer.ask(.pull("%RETRY%workers", group: "workers", wait: 10_000))).map(\.text) == ["alive"])
        #expect(try Pulled.all(peer.ask(.pull("%DLQ%workers", group: "workers", wait: 10_000))).map(\.text) == ["dead"])
        // A Java consumer in order, which has given up after `maxReconsumeTimes`, sends with the level of the next try.
        let given = "KEYS\u{1}k\u{2}DELAY\u{1}4\u{2}RETRY_TOPIC\u{1}work\u{2}"
        let request = RemotingCommand.put("%RETRY%workers", "given up", properties: given, with: ["j": "2", "l": "1"])
        #expect(try peer.ask(request).responseCode == .success)
        let dead = try #require(
            Pulled.all(peer.ask(.pull("%DLQ%workers", from: 1, group: "workers", wait: 10_000))).first)
        #expect(dead.properties["DELAY"] == "-1" && dead.properties["KEYS"] == "k")
        #expect(dead.properties["RETRY_TOPIC"] == "work" && dead.properties["REAL_TOPIC"] == nil)
    }

    @Test func `a retry of a group that nobody knows makes the group and its topic, unless groups are made by hand`()
        throws
    {
        // A producer spreads what it sends over the queues of the topic that new ones are made like.
        #expect(try peer.ask(.put("%RETRY%nobody_knows", "kept", queue: 3)).responseCode == .success)
        #expect(
            try Pulled.all(peer.ask(.pull("%RETRY%nobody_knows", queue: 3, group: "x", wait: 10_000))).map(\.text)
                == ["kept"])
        _ = try peer.ask(.put("work"))
        #expect(try peer.ask(.sendBack(0, group: "another")).responseCode == .success)
        let strict = try RunningBroker(["autoCreateSubscriptionGroup": "false"])
        let other = try strict.connect()
        _ = try other.ask(.put("work"))
        #expect(try other.ask(.put("%RETRY%nobody_knows")).responseCode == .subscriptionGroupNotExist)
        #expect(try other.ask(.sendBack(0, group: "nobody_knows")).responseCode == .subscriptionGroupNotExist)
    }
}
