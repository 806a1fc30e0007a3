import MQProtocol
import Testing

@testable import RocketMQClient

@Suite struct TraceTests {
    private let publish = TraceRecord(
        content: .publish(
            TraceRecord.Publish(
                timestamp: 5, region: "R", group: "g", topic: "t", messageID: "ID", tags: "T", keys: "k1 k2",
                storeHost: "1.1.1.1:1", bodyByteCount: 3, milliseconds: 7, offsetMessageID: "OFF", isSuccess: true)),
        region: "R")

    private func fields(_ record: TraceRecord) -> [Substring] {
        record.text.dropLast().split(separator: "\u{1}", omittingEmptySubsequences: false)
    }

    @Test func `records have RocketMQ's fields in their order`() {
        #expect(
            fields(publish) == [
                "Pub", "5", "R", "g", "t", "ID", "T", "k1 k2", "1.1.1.1:1", "3", "7", "0", "OFF", "true",
            ])
        #expect(publish.text.last == "\u{2}")
        let before = TraceRecord(
            content: .before(
                TraceRecord.Consume(
                    timestamp: 5, region: "R", group: "g", requestID: "Q", messageID: "ID", retryTimes: 1, keys: "")),
            region: "R")
        #expect(fields(before) == ["SubBefore", "5", "R", "g", "Q", "ID", "1", ""])
        let after = TraceRecord(
            content: .after(
                TraceRecord.After(
                    requestID: "Q", messageID: "ID", milliseconds: 9, isSuccess: false, keys: "k", contextCode: 4,
                    timestamp: 6, group: "g")), region: "R")
        #expect(fields(after) == ["SubAfter", "Q", "ID", "9", "false", "k", "4", "6", "g"])
    }

    @Test func `a trace's message is found by the ids and keys in it`() {
        let message = TraceSender.message([publish, publish], topic: "RMQ_SYS_TRACE_TOPIC")
        #expect(message.keys == ["ID", "k1", "k2"])
        #expect(String(decoding: message.body, as: UTF8.self) == publish.text + publish.text)
    }

    @Test func `many records travel in several messages`() {
        let batches = TraceSender.batches(Array(repeating: publish, count: 250))
        #expect(batches.map(\.count) == [100, 100, 50])
        #expect(TraceSender.batches([]).isEmpty)
    }
}
