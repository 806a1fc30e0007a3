import MQBase
import MQBytes
import MQRemoting
import Testing

@testable import MQBroker

/// Who waits for which messages, and the texts that name messages.
@Suite struct PopPollingTests {
    private func key(_ group: String, _ queueID: Int32) -> PopPolling.Key {
        PopPolling.Key(topic: "t", group: group, queueID: queueID)
    }

    @Test func `a hundred thousand may wait, and no more; who leaves makes room`() {
        var polling = PopPolling()
        for id in 0..<100_000 {
            let outcome = polling.park(UInt64(id), on: key("g\(id % 100)", -1), max: 1000, allMax: 100_000)
            guard outcome == .waiting else {
                Issue.record("\(id) may not wait")
                return
            }
        }
        #expect(polling.count == 100_000 && polling.count(key("g7", -1)) == 1000)
        let oneMore = polling.park(1_000_000, on: key("h", -1), max: 1000, allMax: 100_000)
        #expect(oneMore == .full)
        let sameKey = polling.park(1_000_001, on: key("g7", -1), max: 1000, allMax: 200_000)
        #expect(sameKey == .full)
        for id in 0..<100_000 { _ = polling.remove(UInt64(id)) }
        #expect(polling.count == 0 && polling.keys(topic: "t", group: "g7", queueID: nil).isEmpty)
    }

    @Test func `the bounds are of all loops together`() {
        let counts = PollCounts()
        var (here, there) = (PopPolling(counts: counts), PopPolling(counts: counts))
        for (id, wanted) in [(1, PopPolling.Outcome.waiting), (2, .waiting), (3, .full)] {
            let outcome =
                id % 2 == 0
                ? there.park(UInt64(id), on: key("g", -1), max: 2, allMax: 3)
                : here.park(UInt64(id), on: key("g", -1), max: 2, allMax: 3)
            #expect(outcome == wanted)
        }
        #expect(counts.count(key("g", -1)) == 2 && here.count == 1 && there.count == 1)
        let other = here.park(4, on: key("h", -1), max: 2, allMax: 3)
        let overAll = there.park(5, on: key("i", -1), max: 2, allMax: 3)
        #expect(other == .waiting && overAll == .full)
        _ = there.remove(2)
        let again = here.park(6, on: key("g", -1), max: 2, allMax: 3)
        #expect(again == .waiting && counts.count(key("g", -1)) == 2)
    }

    @Test func `a queue's messages are for those who want that queue, or any`() {
        var polling = PopPolling()
        for (id, queue) in [(1, -1), (2, 0), (3, 1), (4, 1)] {
            let outcome = polling.park(UInt64(id), on: key("g", Int32(queue)), max: 9, allMax: 9)
            #expect(outcome == .waiting)
        }
        #expect(polling.keys(topic: "t", group: "g", queueID: 1) == [key("g", -1), key("g", 1)])
        #expect(polling.keys(topic: "t", group: "g", queueID: nil).count == 3)
        #expect(polling.keys(topic: "t", group: "h", queueID: 1).isEmpty)
        #expect(polling.waiting(on: key("g", 1)) == [3, 4])
        let first = polling.remove(3)
        let last = polling.remove(4)
        #expect(first == nil && last == key("g", 1))
    }

    @Test func `a handle reads back as it was written`() throws {
        let handle = PopHandle(start: 7, popTime: 1_795_241_524_644, invisibleTime: 60_000, reviveQueue: 3)
        var buffer = ByteBuffer()
        handle.append(kind: .retryV2, broker: "broker-a", queueID: 5, offset: 9, to: &buffer)
        let text = buffer.toArray()
        #expect(String(decoding: text, as: UTF8.self) == "7 1795241524644 60000 3 2 broker-a 5 9")
        #expect(try PopHandle(text.span) == handle)
        #expect(!handle.isOrdered)
    }

    @Test func `retry topics are named as by Java, and told apart`() {
        #expect(PopTopicKind.retryV1.name(topic: "t_x", group: "g_y") == "%RETRY%g_y_t_x")
        #expect(PopTopicKind.retryV2.name(topic: "t_x", group: "g_y") == "%RETRY%g_y+t_x")
        #expect(PopTopicKind.origin(of: "%RETRY%g_y_t_x", group: "g_y") == "t_x")
        #expect(PopTopicKind.origin(of: "%RETRY%g_y+t_x", group: "g_y") == "t_x")
        #expect(PopTopicKind.origin(of: "t", group: "g") == "t")
        #expect(PopTopicKind(of: "%RETRY%g+t") == .retryV2 && PopTopicKind(of: "%RETRY%g") == .retryV1)
        #expect(PopTopicKind(of: "a+b") == .normal && PopTopicKind(digit: "3") == nil)
    }
}
