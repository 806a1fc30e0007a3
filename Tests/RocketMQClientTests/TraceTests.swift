import MQProtocol
import Testing

@testable import RocketMQClient

@Suite struct TraceTests {
    private let sent = TraceRecord(.sent) { record in
        record.timestamp = 5
        record.region = "R"
        record.group = "g"
        record.topic = "t"
        record.messageID = "ID"
        record.tags = "T"
        record.keys = "k1 k2"
        record.storeHost = "1.1.1.1:1"
        record.bodyByteCount = 3
        record.milliseconds = 7
        record.offsetMessageID = "OFF"
    }

    private func fields(_ record: TraceRecord) -> [Substring] {
        record.text.dropLast().split(separator: "\u{1}", omittingEmptySubsequences: false)
    }

    private func like(_ kind: TraceRecord.Kind, _ change: (inout TraceRecord) -> Void) -> TraceRecord {
        TraceRecord(kind) { record in
            record.timestamp = 5
            record.region = "R"
            record.group = "g"
            record.messageID = "ID"
            change(&record)
        }
    }

    @Test func `records have RocketMQ's fields in their order, and are read again`() {
        let before = like(.before) {
            $0.requestID = "Q"
            $0.retryTimes = 1
        }
        var after = like(.after) {
            $0.requestID = "Q"
            $0.milliseconds = 9
            $0.isSuccess = false
            $0.keys = "k"
            $0.contextCode = 4
        }
        let ended = like(.ended) {
            $0.topic = "t"
            $0.storeHost = "1.1.1.1:1"
            $0.messageKind = .commit
            $0.transactionID = "ID"
            $0.transactionState = "COMMIT_MESSAGE"
            $0.isFromCheck = true
        }
        let recalled = like(.recalled) { $0.topic = "t" }
        #expect(
            fields(sent) == [
                "Pub", "5", "R", "g", "t", "ID", "T", "k1 k2", "1.1.1.1:1", "3", "7", "0", "OFF", "true",
            ])
        #expect(sent.text.last == "\u{2}")
        #expect(fields(before) == ["SubBefore", "5", "R", "g", "Q", "ID", "1", ""])
        #expect(fields(after) == ["SubAfter", "Q", "ID", "9", "false", "k", "4", "5", "g"])
        #expect(
            fields(ended) == [
                "EndTransaction", "5", "R", "g", "t", "ID", "", "", "1.1.1.1:1", "2", "ID", "COMMIT_MESSAGE", "true",
            ])
        #expect(fields(recalled) == ["Recall", "5", "R", "g", "t", "ID", "true"])
        let records = [sent, before, after, ended, recalled]
        after.region = "DefaultRegion"  // does not travel
        let read = TraceRecord.all(in: Array(records.map(\.text).joined().utf8))
        #expect(read == [sent, before, after, ended, recalled])
    }

    @Test func `records of older clients are read, what is none is left out`() {
        let old = ["Pub", "5", "R", "g", "t", "ID", "T", "k1 k2", "1.1.1.1:1", "3", "7", "0", "false"]
        let short = ["SubAfter", "Q", "ID", "9", "true"]
        let text = [old, short, ["Pub", "5"], ["Nonsense"], [""]].map { $0.joined(separator: "\u{1}") + "\u{2}" }
            .joined()
        let read = TraceRecord.all(in: Array(text.utf8))
        #expect(read.map(\.kind) == [.sent, .after])
        #expect(read.map(\.isSuccess) == [false, true])
        #expect(read.map(\.offsetMessageID) == ["", ""])
        #expect(TraceRecord.all(in: [0xFF, 1, 2, 2, 1]).isEmpty)
    }

    @Test func `a trace's message is found by the ids and keys in it`() {
        let message = TraceSender.message([sent, sent], topic: "RMQ_SYS_TRACE_TOPIC")
        #expect(message.keys == ["ID", "k1", "k2"])
        #expect(String(decoding: message.body, as: UTF8.self) == sent.text + sent.text)
    }

    @Test func `many records travel in several messages`() {
        let batches = TraceSender.batches(Array(repeating: sent, count: 250))
        #expect(batches.map(\.count) == [100, 100, 50])
        #expect(TraceSender.batches([]).isEmpty)
    }
}
