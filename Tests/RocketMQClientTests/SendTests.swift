import MQBase
import MQBytes
import MQMessage
import MQProtocol
import MQSystem
import Testing

@testable import RocketMQClient

/// The pure parts of sending.
@Suite struct SendTests {
    private func queues(_ brokers: String...) -> PublishQueues {
        let route = TopicRouteData(
            brokerDatas: brokers.map { BrokerData(cluster: "c", brokerName: $0, brokerAddrs: [0: "1.1.1.1:1"]) },
            queueDatas: brokers.map {
                QueueData(brokerName: $0, readQueueNums: 2, writeQueueNums: 2, perm: [.read, .write])
            })
        return PublishQueues(topic: "t", route: route)
    }

    private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    @Test func `a broker is left alone for as long as the table says`() {
        let pauses = [0, 49, 50, 549, 550, 1799, 1800, 3000, 5000, 14_999, 15_000, 99_999].map {
            FaultLatency.pause(after: $0)
        }
        #expect(pauses == [0, 0, 0, 0, 2000, 2000, 5000, 6000, 10_000, 10_000, 30_000, 30_000])
        #expect(FaultLatency.pause(after: FaultLatency.latencyOfFailure) == 10_000)
    }

    @Test func `slow brokers are avoided until their time is over`() {
        var faults = FaultLatency()
        let queues = queues("a", "b")
        faults.note("a", latency: 600, failed: false, at: at(0))
        func broker(_ turn: Int, _ now: Int64, _ failed: String? = nil) -> String? {
            faults.pick(queues, turn: turn, avoiding: failed, at: at(now)).map { queues.queues[$0].brokerName }
        }
        #expect((0..<4).map { broker($0, 1999) } == ["b", "b", "b", "b"])
        #expect((0..<4).map { broker($0, 2000) } == ["a", "a", "b", "b"])
        #expect(broker(0, 1000, "b") == "a", "the one that just failed is worse than a slow one")
        faults.note("b", latency: 1, failed: true, at: at(0))
        #expect(broker(2, 1000) == "a", "it will be available first")
        faults.note("a", latency: 10, failed: false, at: at(1000))
        #expect(faults.isAvailable("a", at: at(1000)))
        #expect(
            faults.pick(PublishQueues(topic: "t", route: TopicRouteData()), turn: 0, avoiding: nil, at: at(0)) == nil)
    }

    @Test func `hash selectors choose as Java's`() {
        let all = (0..<8).map { MessageQueue(topic: "t", brokerName: "b", queueID: $0) }
        func index(_ selector: QueueSelector) -> Int? { selector.index(Message(topic: "t", body: [1]), all) }
        // "polygenelubricants".hashCode() is Integer.MIN_VALUE, "KEY3".hashCode() 2303444.
        #expect(index(.hash(of: "polygenelubricants")) == 0)
        #expect(index(.hash(of: "KEY3")) == 2_303_444 % 8)
        #expect(index(.hash(of: 13)) == 5)
        #expect(index(.hash(of: -13)) == 5)
        #expect(all.indices.contains(index(.random) ?? -1))
    }

    @Test func `a batch is split where it would be too large, and knows its ids`() throws {
        let ids = Lock(0)
        func makeID() -> IDText {
            ids.withLock { id in
                id += 1
                return IDText("id-\(id)")
            }
        }
        let messages = (0..<10).map { Message(topic: "t", tags: "T", body: [UInt8](repeating: UInt8($0), count: 100)) }
        let batches = try MessageBatches(messages, byteCountMax: 500, makeID: makeID).batches
        #expect(batches.allSatisfy { $0.body.count <= 500 })
        #expect(batches.flatMap { $0.ids.map(\.text) } == (1...10).map { "id-\($0)" })
        let items = try batches.map { try MessageBatch.items($0.body.span) }
        #expect(items.map(\.count) == batches.map(\.ids.count) && batches.count > 2)
        let first = Array(batches[0].body[items[0][0].properties])
        #expect(String(decoding: first, as: UTF8.self) == "TAGS\u{1}T\u{2}WAIT\u{1}true\u{2}UNIQ_KEY\u{1}id-1\u{2}")
    }

    @Test func `messages that do not belong together are refused before anything is sent`() {
        var delayed = Message(topic: "t", body: [1])
        delayed.delayLevel = 1
        var timed = Message(topic: "t", body: [1])
        timed.delay = .seconds(1)
        var careless = Message(topic: "t", body: [1])
        careless.waitsForStore = false
        let large = Message(topic: "t", body: [UInt8](repeating: 0, count: 900))
        let good = Message(topic: "t", body: [1])
        for bad in [
            [good, Message(topic: "u", body: [1])], [good, delayed], [good, timed], [good, careless], [good, large], [],
            [Message(topic: "%RETRY%g", body: [1])], [good, Message(topic: "t", body: [])],
        ] {
            #expect(throws: ClientError.self) { try MessageBatches(bad, byteCountMax: 920) { IDText("x") } }
        }
    }

    @Test func `ids of all lengths read back`() {
        for length in [0, 1, 32, 55, 56, 57, 200] {
            let text = String(repeating: "A", count: length)
            #expect(IDText(text).text == text)
            #expect(IDText(Array(text.utf8).span).text == text)
        }
    }

    @Test func `names in a namespace are wrapped once and unwrapped`() {
        let space = Namespace("ns")
        #expect(space.wrap("t") == "ns%t" && space.wrap("ns%t") == "ns%t")
        #expect(space.wrap("%RETRY%g") == "%RETRY%ns%g" && space.wrap("%DLQ%ns%g") == "%DLQ%ns%g")
        #expect(space.wrap("RMQ_SYS_TRACE_TOPIC") == "RMQ_SYS_TRACE_TOPIC" && space.wrap("TBW102") == "TBW102")
        for name in ["t", "%RETRY%g", "%DLQ%g", "RMQ_SYS_TRACE_TOPIC"] {
            #expect(space.unwrap(space.wrap(name)) == name)
        }
        #expect(Namespace("").wrap("t") == "t" && Namespace(nil).unwrap("ns%t") == "ns%t")
        #expect(Namespace("ns").unwrap("other%t") == "other%t")
    }

    // MARK: - Back-pressure

    @Test func `who finds no room waits in turn`() async {
        let permits = SendPermits(countMax: 2, byteCountMax: 100)
        #expect(permits.tryAcquire(60) != nil)
        #expect(permits.tryAcquire(60) == nil, "the bytes")
        #expect(permits.tryAcquire(40) != nil)
        #expect(permits.tryAcquire(0) == nil, "the count")
        let far = SystemClock.now().advanced(byMilliseconds: 60_000)
        async let first = permits.acquire(10, before: far)
        permits.release(60)
        #expect(await first)
        permits.release(40)
        permits.release(10)
        #expect(permits.inFlight == 0)
        #expect(permits.tryAcquire(1000) != nil, "one of any size when nothing else is on its way")
    }

    @Test func `waiting for room ends at the deadline and with the task`() async {
        let permits = SendPermits(countMax: 1, byteCountMax: 100)
        #expect(permits.tryAcquire(1) != nil)
        #expect(await !permits.acquire(1, before: SystemClock.now().advanced(byMilliseconds: 1)))
        let far = SystemClock.now().advanced(byMilliseconds: 60_000)
        let task = Task { await permits.acquire(1, before: far) }
        task.cancel()
        #expect(await !task.value)
        permits.release(1)
        #expect(permits.inFlight == 0)
        #expect(await permits.acquire(1, before: far))
    }
}

/// Headers and signatures of sends.
@Suite struct SendFrameTests {
    private func plan(_ topic: String) -> PublishPlan {
        let route = TopicRouteData(
            brokerDatas: [BrokerData(cluster: "c", brokerName: "broker-\"a\"", brokerAddrs: [0: "127.0.0.1:1"])],
            queueDatas: [
                QueueData(brokerName: "broker-\"a\"", readQueueNums: 3, writeQueueNums: 3, perm: [.read, .write])
            ])
        return PublishPlan(queues: PublishQueues(topic: topic, route: route), brokers: [:])
    }

    @Test(arguments: [0, 1, 2])
    func `a prepared header is the one that is written field by field`(index: Int) throws {
        let plan = SendPlan(plan("topic-t"), topic: "topic-t", group: "group_g", defaultQueueCount: 4)
        var message = Message(topic: "topic-t", tags: "a", keys: ["k1", "k2"], body: [1, 2, 3])
        message.properties["odd"] = "\"quoted\" \\ and \n breaks, ünïcode"
        message.flag = 7
        let outgoing = Outgoing(message, topic: "topic-t", options: Producer.Options()) { _ in IDText("AB12") }
        let fields = RequestFields(
            code: .sendMessageV2, group: "group_g", topic: "topic-t", queueID: index,
            brokerName: Array("broker-\"a\"".utf8), defaultQueueCount: 4)
        for opaque: Int32 in [0, 77, 1 << 30, .max] {
            var usual = ByteBuffer()
            usual.append([9, 9])  // something before it
            plan.encode(outgoing, at: index, into: &usual, opaque: opaque)
            var general = ByteBuffer()
            general.append([9, 9])
            outgoing.encode(into: &general, opaque: opaque, isOneWay: false, fields: fields)
            var (left, right) = (
                try RemotingCommand(frame: usual.span.extracting(2..<usual.count)),
                try RemotingCommand(frame: general.span.extracting(2..<general.count))
            )
            left["g"] = nil  // the time
            right["g"] = nil
            #expect(left == right)
            #expect(usual.count == general.count)
            #expect(left["i"]?.contains("odd\u{1}\"quoted\" \\ and \n breaks, ünïcode\u{2}") == true)
            #expect(left.body == [1, 2, 3] && left.opaque == opaque)
        }
    }

    @Test func `a plan whose route is forgotten is not used again`() {
        let plans = PublishPlans()
        let first = plan("t")
        plans.keep(first, for: "t", madeAt: plans.generation)
        var own = SendPlans()
        own.keep(SendPlan(first, topic: "t", group: "g", defaultQueueCount: 4))
        let kept = own.current("t")
        #expect(kept != nil)
        let other = own.current("u")
        #expect(other == nil)
        plans.forget("t")
        let stale = own.current("t")
        #expect(first.isStale && stale == nil)
        let late = plan("t")
        plans.keep(late, for: "t", madeAt: 0)  // made from a route that was replaced meanwhile
        #expect(late.isStale && plans["t"] == nil)
    }

    @Test func `requests are signed as Java signs them`() throws {
        // Recorded from AclClientRPCHook of RocketMQ 5.3.3.
        let credentials = Credentials(accessKey: "RocketMQ", secretKey: "12345678")
        var request = RemotingCommand(
            .sendMessageV2, ["b": "TopicTest", "a": "group", "e": "3"], body: Array("Hello".utf8))
        credentials.sign(&request)
        #expect(request["AccessKey"] == "RocketMQ" && request["SecurityToken"] == nil)
        #expect(request["Signature"] == "9uoHAoh2h59l28yedTGhdzO/IdY=")
        credentials.sign(&request)
        #expect(request["Signature"] == "9uoHAoh2h59l28yedTGhdzO/IdY=", "signing again is signing the same")
        var other = RemotingCommand(.heartBeat, [:], body: [])
        Credentials(accessKey: "ak", secretKey: "sk", securityToken: "token").sign(&other)
        #expect(other["SecurityToken"] == "token" && other["Signature"] == "FUn462beyQknfiL+1lvKiDsSbD8=")
        #expect(!"\(credentials)".contains("12345678"))
        var dumped = ""
        dump(credentials, to: &dumped)
        #expect(!dumped.contains("12345678"))
    }
}
