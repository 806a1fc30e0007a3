import MQBase
import MQBytes
import MQCompression
import MQMessage
import MQProtocol
import MQSystem
import Testing

@testable import RocketMQClient

/// Texts as Java prints them, because scripts read them.
@Suite struct TextTests {
    private let host = MessageHost(ip: [127, 0, 0, 1], port: 10911)

    private func record(_ body: [UInt8], sysFlag: SysFlag = []) throws -> [UInt8] {
        let head = RecordHead(
            queueID: 3, flag: 7, sysFlag: sysFlag, bornTimestamp: Timestamp(rawValue: 1_700_000_000_001),
            bornHost: MessageHost(ip: [127, 0, 0, 1], port: 4711), storeHost: host, reconsumeTimes: 2)
        var buffer = ByteBuffer()
        _ = try head.encode(topic: Array("TopicTest".utf8).span, body: body.span, into: &buffer) {
            $0.append(Properties.encode([("TAGS", "TagA"), ("KEYS", "k1 k2")]))
        }
        buffer.store(bigEndian: Int64(42), at: RecordLayout.queueOffset)
        buffer.store(bigEndian: Int64(255), at: RecordLayout.physicalOffset)
        return buffer.toArray()
    }

    private func message(_ body: [UInt8], _ sysFlag: SysFlag) throws -> MessageExt {
        let bytes = try record(body, sysFlag: sysFlag)
        return try MessageExt(bytes.span)
    }

    @Test func `a send result reads as Java's`() {
        let queue = MessageQueue(topic: "TopicTest", brokerName: "broker-a", queueID: 3)
        let result = SendResult(
            status: .sendOK, id: IDText("AB01"), offsetID: IDText("7F"), queue: queue, queueOffset: 12,
            recallHandle: nil)
        #expect(
            "\(result)" == "SendResult [sendStatus=SEND_OK, msgId=AB01, offsetMsgId=7F, messageQueue=MessageQueue "
                + "[topic=TopicTest, brokerName=broker-a, queueId=3], queueOffset=12, recallHandle=null]")
    }

    @Test func `a message reads as Java's`() throws {
        let bytes = try record([72, 200])
        var message = try MessageExt(bytes.span)
        message.brokerName = "broker-a"
        let crc = RecordLayout.storedCRC([72, 200].span)
        let pieces: [String] = [
            "MessageExt [brokerName=broker-a, queueId=3, storeSize=\(bytes.count), queueOffset=42, sysFlag=0, ",
            "bornTimestamp=1700000000001, bornHost=/127.0.0.1:4711, storeTimestamp=0, ",
            "storeHost=/127.0.0.1:10911, msgId=7F00000100002A9F00000000000000FF, commitLogOffset=255, ",
            "bodyCRC=\(crc), reconsumeTimes=2, preparedTransactionOffset=0, toString()=Message{topic='TopicTest', ",
            "flag=7, properties={TAGS=TagA, KEYS=k1 k2}, body=[72, -56], transactionId='null'}]",
        ]
        #expect(message.description == pieces.joined())
        #expect(message.tags == "TagA")
        #expect(message.keys == ["k1", "k2"])
        #expect(message.messageID == message.offsetMessageID)
    }

    @Test func `a pulled message shows its queue's ends, in the order of Java's map`() throws {
        let bytes = try record([1])
        var message = try MessageExt(bytes.span)
        message.properties = [
            "WAIT": "true", "TRACE_ON": "true", "UNIQ_KEY": "C0", "CLUSTER": "DefaultCluster",
            "MSG_REGION": "DefaultRegion",
        ]
        message.queueEnds = 0..<1
        // As mqadmin consumeMessage of 5.3.3 printed it.
        let shown =
            "properties={MSG_REGION=DefaultRegion, UNIQ_KEY=C0, CLUSTER=DefaultCluster, MIN_OFFSET=0, WAIT=true, TRACE_ON=true, "
            + "MAX_OFFSET=1}"
        #expect(message.description.contains(shown), "\(message)")
    }

    @Test func `properties are listed as Java's map lists them, names in one place too`() {
        // What `System.out.println` of a `HashMap(128)` says, into which these were put in this order.
        let names = [
            "TRAN_MSG", "PGROUP", "UNIQ_KEY", "WAIT", "TAGS", "KEYS", "CLUSTER", "MIN_OFFSET", "MAX_OFFSET",
            "CONSUME_START_TIME", "DELAY", "REAL_TOPIC", "REAL_QID", "RETRY_TOPIC", "ORIGIN_MESSAGE_ID", "MSG_REGION",
            "TRACE_ON", "a", "b", "order id", "sequenceId", "traceparent", "AaAa", "BBBB", "AaBB", "TIMER_DELIVER_MS",
            "RECONSUME_TIME", "__SHARDINGKEY", "INSTANCE_ID", "CORRELATION_ID", "REPLY_TO_CLIENT", "TTL",
        ]
        var properties = MessageProperties()
        for (index, name) in names.enumerated() { properties[name] = String(index) }
        #expect(
            properties.inJavaOrder.description
                == "{CONSUME_START_TIME=9, sequenceId=20, INSTANCE_ID=28, ORIGIN_MESSAGE_ID=14, RETRY_TOPIC=13, "
                + "MSG_REGION=15, TIMER_DELIVER_MS=25, __SHARDINGKEY=27, UNIQ_KEY=2, CLUSTER=6, PGROUP=1, AaAa=22, BBBB=23, "
                + "AaBB=24, CORRELATION_ID=29, RECONSUME_TIME=26, MIN_OFFSET=7, order id=19, DELAY=10, TAGS=4, TRAN_MSG=0, "
                + "TTL=31, REPLY_TO_CLIENT=30, KEYS=5, WAIT=3, a=17, b=18, TRACE_ON=16, REAL_TOPIC=11, MAX_OFFSET=8, "
                + "traceparent=21, REAL_QID=12}")
    }

    @Test func `bodies of all codecs are expanded and others are left marked`() throws {
        let body = [UInt8](repeating: 65, count: 5000)
        let zlib: SysFlag = [.compressed, SysFlag(rawValue: 0x300)]
        for codec in CompressionCodec.allCases {
            let packed = try message(codec.compress(body.span, level: 5), [.compressed, codec.sysFlag])
            #expect(packed.body == body)
            #expect(!packed.sysFlag.contains(.compressed))
        }
        #expect(try message(Zlib.deflate(body.span), .compressed).body == body)
        let other = try message([1, 2, 3], [.compressed, SysFlag(rawValue: 0x400)])
        #expect(other.body == [1, 2, 3])
        #expect(other.sysFlag.contains(.compressed))
        let lying = try message([1, 2, 3], zlib)
        #expect(lying.sysFlag.contains(.compressed))
    }

    @Test func `a partial record at the end of an answer is dropped and a lying one refused`() throws {
        let one = try record([1])
        #expect(try MessageExt.all(in: one + one.prefix(40)).count == 1)
        #expect(try MessageExt.all(in: one + one).count == 2)
        var lying = one
        lying[4] = 0
        #expect(refuses(lying))
        var short = one
        short.replaceSubrange(0..<4, with: [0, 0, 0, 0])
        #expect(refuses(short))
    }

    private func refuses(_ answer: [UInt8]) -> Bool {
        do {
            _ = try MessageExt.all(in: answer)
            return false
        } catch {
            return true
        }
    }

    @Test func `tag expressions become tags and Java's hash codes`() throws {
        let tags = try TagExpression.subscription(topic: "t", expression: " TagA ||TagB|| ", version: 5)
        #expect(tags.tagsSet == ["TagA", "TagB"])
        #expect(tags.codeSet == [2_598_919, 2_598_920])
        #expect(tags.wants(tags: "TagB"))
        #expect(!tags.wants(tags: "TagC"))
        #expect(!tags.wants(tags: nil))
        for all in ["*", "", "  "] {
            let subscription = try TagExpression.subscription(topic: "t", expression: all, version: 5)
            #expect(subscription.subString == "*")
            #expect(subscription.wants(tags: nil))
        }
        let none = try? TagExpression.subscription(topic: "t", expression: "||", version: 5)
        #expect(none == nil)
    }

    @Test func `properties keep their order and names are unique`() {
        var properties: MessageProperties = ["a": "1", "b": "2", "a": "3"]
        #expect("\(properties)" == "{a=3, b=2}")
        properties["b"] = nil
        properties["c"] = "x\u{1}y"
        #expect(properties.hasSeparator)
        #expect(properties.stored == Array("a\u{1}3\u{2}".utf8))
    }

    @Test func `messages that no broker takes are refused here`() {
        #expect(Message(topic: "t", body: [1]).refusal(bodyByteCountMax: 10) == nil)
        #expect(Message(topic: "t", body: []).refusal(bodyByteCountMax: 10) != nil)
        #expect(Message(topic: "t", body: [UInt8](repeating: 0, count: 11)).refusal(bodyByteCountMax: 10) != nil)
        #expect(Message(topic: "../t", body: [1]).refusal(bodyByteCountMax: 10) != nil)
        #expect(Message(topic: "t", tags: "a\u{2}", body: [1]).refusal(bodyByteCountMax: 10) != nil)
    }

    @Test func `name server lists take semicolons, commas and blanks`() {
        #expect(ClientOptions.addresses(in: "a:1; b:2,c:3;;") == ["a:1", "b:2", "c:3"])
        #expect(ClientOptions(nameServers: "").nameServers.isEmpty)
    }

    @Test func `a month begins at its first midnight and ends at the next`() {
        // 2026-02-28 and 2028-02-29, whatever the time zone.
        for (now, days) in [(Int64(1_772_280_000_123), 28), (1_835_400_000_123, 29)] {
            let (start, end) = SystemClock.monthBounds(now)
            #expect(start <= now && now < end)
            #expect(end - start == Int64(days) * 86_400_000)
            let first = SystemClock.local(Timestamp(rawValue: start))
            #expect(first.day == 1 && first.hour == 0 && first.millisecond == 0)
        }
    }
}
