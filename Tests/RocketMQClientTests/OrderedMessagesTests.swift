import MQBase
import MQBytes
import MQMessage
import Testing

@testable import RocketMQClient

/// Goal: messages are handed out one at a time, in order, and only while the lock is surely the consumer's.
@Suite struct OrderedMessagesTests {
    private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    private func messages(_ offsets: ClosedRange<Int64>) throws -> [MessageExt] {
        let host = MessageHost(ip: [127, 0, 0, 1], port: 1)
        let head = RecordHead(
            queueID: 0, flag: 0, sysFlag: [], bornTimestamp: Timestamp(rawValue: 1), bornHost: host, storeHost: host)
        return try offsets.map { offset in
            var buffer = ByteBuffer()
            _ = try head.encode(topic: [116].span, body: [UInt8]().span, into: &buffer) { _ in }
            buffer.store(bigEndian: offset, at: RecordLayout.queueOffset)
            return try MessageExt(buffer.span)
        }
    }

    private func offset(_ turn: OrderedMessages.Turn) -> Int64? {
        if case .message(let message) = turn { message.queueOffset } else { nil }
    }

    @Test func `one turn at a time, to the end`() throws {
        var ordered = OrderedMessages()
        ordered.lock(at: at(0))
        let none = ordered.add([])
        #expect(!none)
        let began1 = try ordered.add(messages(0...2))
        #expect(began1)
        let began2 = try ordered.add(messages(3...4))
        #expect(!began2, "somebody hands out already")
        for number in Int64(0)...4 {
            #expect(offset(ordered.next(now: at(1))) == number)
            #expect(offset(ordered.next(now: at(1))) == number, "first until it is done")
            ordered.finish(number + 7)
            ordered.finish(number)
        }
        #expect(offset(ordered.next(now: at(1))) == nil && !ordered.isRunning)
        let began3 = try ordered.add(messages(5...5))
        #expect(began3, "and begins again")
    }

    @Test func `a failure stays first and is counted`() throws {
        var ordered = OrderedMessages()
        ordered.lock(at: at(0))
        _ = try ordered.add(messages(0...1))
        for times in Int32(0)...3 {
            guard case .message(let message) = ordered.next(now: at(0)) else { break }
            #expect(message.queueOffset == 0 && message.reconsumeTimes == times)
            ordered.countFailure(0)
        }
        ordered.countFailure(1)  // not the first: nothing
        ordered.finish(0)
        guard case .message(let message) = ordered.next(now: at(0)) else { return #expect(Bool(false)) }
        #expect(message.queueOffset == 1 && message.reconsumeTimes == 0)
    }

    @Test func `nothing is handed out under a lock that is too old`() throws {
        var ordered = OrderedMessages()
        _ = try ordered.add(messages(0...0))
        guard case .unlocked = ordered.next(now: at(0)) else { return #expect(Bool(false), "it never had a lock") }
        #expect(!ordered.mayHaveLostLock(now: at(1_000_000)))
        ordered.lock(at: at(1000))
        #expect(offset(ordered.next(now: at(31_000))) == 0)
        guard case .unlocked = ordered.next(now: at(31_001)) else { return #expect(Bool(false), "30 s") }
        #expect(!ordered.mayHaveLostLock(now: at(61_000)))
        #expect(ordered.mayHaveLostLock(now: at(61_001)), "the broker has given it away")
        ordered.lock(at: at(50_000))
        #expect(offset(ordered.next(now: at(61_001))) == 0)
    }

    @Test func `without a lock nothing waits for one`() throws {
        var ordered = OrderedMessages(needsLock: false)
        _ = try ordered.add(messages(0...0))
        #expect(offset(ordered.next(now: at(0))) == 0)
    }

    @Test func `what was moved away from is forgotten`() throws {
        var ordered = OrderedMessages()
        ordered.lock(at: at(0))
        _ = try ordered.add(messages(0...9))
        _ = ordered.next(now: at(0))
        ordered.removeAll()
        ordered.finish(0)
        _ = try ordered.add(messages(3...3))
        #expect(offset(ordered.next(now: at(0))) == 3)
    }

    @Test func `many messages are forgotten as they are done`() throws {
        var ordered = OrderedMessages()
        ordered.lock(at: at(0))
        for round in Int64(0)..<50 {
            _ = try ordered.add(messages(round * 20...round * 20 + 19))
            for number in round * 20..<round * 20 + 20 {
                #expect(offset(ordered.next(now: at(0))) == number)
                ordered.finish(number)
            }
        }
    }

    @Test func `tries have no end in order, and sixteen otherwise`() throws {
        var options = ConsumerOptions()
        #expect(options.reconsumeTimesMax == 16)
        options.isOrderly = true
        #expect(options.reconsumeTimesMax == Int(Int32.max))
        options.maxReconsumeTimes = 3
        #expect(options.reconsumeTimesMax == 3)
    }
}
