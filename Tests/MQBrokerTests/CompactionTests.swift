import Foundation
import MQBase
import MQMessage
import MQProtocol
import MQTestKit
import Testing

@testable import MQBroker

/// Goal: a topic with cleanup.policy=COMPACTION shows consumers the last message of each key, before and after a restart, and
/// what is newer from the log.
@Suite struct BrokerCompactionTests {
    private static func compacted(_ name: String, _ more: String = "") -> RemotingCommand {
        var topic = RemotingCommand.topic(name, queues: 1)
        topic["attributes"] = "+cleanup.policy=COMPACTION" + more
        return topic
    }

    private static func put(_ key: String, _ body: String) -> RemotingCommand {
        .put("c", body, properties: "KEYS\u{1}\(key)\u{2}")
    }

    private static func peek(_ topic: String) -> RemotingCommand {
        var request = RemotingCommand.pop(topic, queue: 0)
        request.code = RequestCode.peekMessage.rawValue
        return request
    }

    /// Everything from the queue's beginning, as a consumer reads it.
    private func texts(_ peer: RemotingPeer, end: Int64, tags: String = "*") throws -> [String] {
        var (offset, found) = (Int64(0), [String]())
        while offset < end {
            let answer = try peer.ask(.pull("c", from: offset, wait: 10_000, tags: tags))
            #expect([.success, .pullRetryImmediately].contains(answer.responseCode), "\(answer.remark ?? "")")
            offset = try #require(answer.int64("nextBeginOffset"))
            found += try Pulled.all(answer).map { "\($0.record.queueOffset) \($0.text)" }
        }
        return found
    }

    @Test func `consumers get the last message of each key, in order, and then the newest`() throws {
        let running = try RunningBroker([
            "compactionScheduleInternal": "100", "flushIntervalCommitLog": "20", "flushCommitLogLeastPages": "0",
        ])
        var peer = try running.connect()
        #expect(try peer.ask(Self.compacted("c")).responseCode == .success)
        for number in 0..<50 { #expect(try peer.ask(Self.put("k\(number % 5)", "\(number)")).responseCode == .success) }
        let left = (45..<50).map { "\($0) \($0)" }
        var seen = try texts(peer, end: 50)
        for _ in 0..<2000 where seen != left { seen = try texts(peer, end: 50) }
        #expect(seen == left)
        #expect(try peer.ask(Self.put("k0", "")).responseCode == .success)
        try running.restart()
        peer = try running.connect()
        #expect(try peer.ask(Self.put("k1", "new")).responseCode == .success)
        let after = ["47 47", "48 48", "49 49", "51 new"]
        for _ in 0..<2000 where seen != after { seen = try texts(peer, end: 52) }
        #expect(seen == after)
        #expect(try texts(peer, end: 52, tags: "none").isEmpty)
    }

    @Test func `pops get the last message of each key, each once, and again when they are not acknowledged`() throws {
        let running = try RunningBroker([
            "compactionScheduleInternal": "100", "flushIntervalCommitLog": "20", "flushCommitLogLeastPages": "0",
        ])
        var peer = try running.connect()
        #expect(try peer.ask(Self.compacted("c")).responseCode == .success)
        for number in 0..<50 { #expect(try peer.ask(Self.put("k\(number % 5)", "\(number)")).responseCode == .success) }
        var seen = try texts(peer, end: 50)
        for _ in 0..<2000 where seen.count != 5 { seen = try texts(peer, end: 50) }
        let peeked = try peer.ask(Self.peek("c"))
        #expect(try Pulled.all(peeked).map(\.text) == ["45", "46", "47", "48", "49"])
        let first = try peer.pop(.pop("c", queue: 0, max: 3, invisible: 1000))
        #expect(first.map(\.text) == ["45", "46", "47"] && first.map(\.offset) == [45, 46, 47])
        try peer.ackAll([first[0], first[2]])
        try running.restart()
        peer = try running.connect()
        #expect(try peer.pop(.pop("c", queue: 0)).map(\.text) == ["48", "49"])
        let again = try peer.popSome(.pop("c", queue: 0))
        #expect(again.map(\.text) == ["46"] && again[0].times == 1)
        #expect(try peer.ask(Self.put("k9", "new")).responseCode == .success)
        #expect(try peer.popSome(.pop("c", queue: 0)).map(\.text) == ["new"])
        let ordered = try peer.pop(.pop("c", queue: 0, group: "o", max: 2, order: true))
        #expect(ordered.map(\.text) == ["45", "46"])
        try peer.ackAll(ordered, group: "o")
        #expect(try peer.pop(.pop("c", queue: 0, group: "o", max: 2, order: true)).map(\.text) == ["47", "48"])
        #expect(try peer.pop(.pop("c", queue: 0, group: "p", with: ["exp": "none"])).isEmpty)
    }

    @Test func `old files of the log go when what is left of compacted topics is copied, not before`() throws {
        let running = try RunningBroker([
            "compactionScheduleInternal": "86400000", "mappedFileSizeCommitLog": String(1 << 18),
            "flushIntervalCommitLog": "20", "flushCommitLogLeastPages": "0", "fileReservedTime": "0",
            "deleteWhen": (0..<24).map(String.init).joined(separator: ";"), "cleanResourceInterval": "10",
        ])
        var peer = try running.connect()
        #expect(try peer.ask(Self.compacted("c")).responseCode == .success)
        for number in 0..<50 { #expect(try peer.ask(Self.put("k\(number % 5)", "\(number)")).responseCode == .success) }
        let filler = String(repeating: "x", count: 60_000)
        let first = running.folder.appending(path: "commitlog/00000000000000000000").path
        for _ in 0..<12 { #expect(try peer.ask(.put("f", filler)).responseCode == .success) }
        for _ in 0..<5000 where FileManager.default.fileExists(atPath: first) {
            _ = try peer.ask(.pull("f", from: 0))
        }
        #expect(!FileManager.default.fileExists(atPath: first))
        let left = (45..<50).map { "\($0) \($0)" }
        #expect(try texts(peer, end: 50) == left)
        try running.restart()
        peer = try running.connect()
        #expect(try peer.ask(Self.put("k9", "new")).responseCode == .success)
        #expect(try texts(peer, end: 51) == left + ["50 new"])
    }

    @Test func `what is left comes again when the log has it no more: popped, or sent back`() throws {
        let running = try RunningBroker([
            "compactionScheduleInternal": "100", "flushIntervalCommitLog": "20", "flushCommitLogLeastPages": "0",
            "mappedFileSizeCommitLog": "65536", "messageDelayLevel": "1s",
        ])
        var peer = try running.connect()
        #expect(try peer.ask(Self.compacted("c")).responseCode == .success)
        for number in 0..<50 { #expect(try peer.ask(Self.put("k\(number % 5)", "\(number)")).responseCode == .success) }
        var seen = try texts(peer, end: 50)
        for _ in 0..<2000 where seen.count != 5 { seen = try texts(peer, end: 50) }
        let pulled = try Pulled.all(try peer.ask(.pull("c", from: 45, wait: 10_000)))
        let popped = try peer.pop(.pop("c", queue: 0, max: 2, invisible: 3000))
        #expect(popped.map(\.text) == ["45", "46"])
        for _ in 0..<3 {
            #expect(try peer.ask(.put("x", String(repeating: "x", count: 40_000))).responseCode == .success)
        }
        running.stop()
        let log = running.folder.path + "/commitlog/"
        try FileManager.default.removeItem(atPath: log + "00000000000000000000")
        try running.restart()
        peer = try running.connect()
        #expect(try peer.ask(.heartbeat(group: "g", topic: "c")).responseCode == .success)

        let again = try peer.popSome(.pop("c", queue: 0, max: 8))
        #expect(again.map(\.text).contains("47") || again.map(\.text).contains("45"), "\(again.map(\.text))")
        var texts = again.map(\.text)
        while Set(texts) != ["45", "46", "47", "48", "49"], texts.count < 20 {
            texts += try peer.popSome(.pop("c", queue: 0, max: 8)).map(\.text)
        }
        #expect(texts.sorted() == ["45", "46", "47", "48", "49"])
        try peer.ackAll(again)
        #expect(try peer.pop(.pop("c", queue: 0, group: "new")).map(\.text).sorted() == ["45", "46", "47", "48", "49"])
        try expectRange(peer, from: pulled)

        var back = RemotingCommand.sendBack(pulled[2].record.physicalOffset, group: "g", level: 1)
        #expect(try peer.ask(back).remark == "look message by offset failed, \(pulled[2].record.physicalOffset)")
        back["originTopic"] = "c"
        #expect(try peer.ask(back).responseCode == .success)
        let retried = try Pulled.all(try peer.ask(.pull("%RETRY%g", wait: 10_000)))
        #expect(retried.map(\.text) == ["47"] && retried[0].properties["RETRY_TOPIC"] == "c")
        #expect(retried[0].record.reconsumeTimes == 1)
        back["offset"] = String(pulled[2].record.physicalOffset + 1)
        #expect(try peer.ask(back).responseCode == .systemError)
        back["delayLevel"] = "-1"
        back["offset"] = String(pulled[4].record.physicalOffset)
        #expect(try peer.ask(back).responseCode == .success)
        #expect(try Pulled.all(try peer.ask(.pull("%DLQ%g", wait: 10_000))).map(\.text) == ["49"])
    }

    /// Offsets and times of the queue begin with what is left.
    private func expectRange(_ peer: RemotingPeer, from left: [Pulled]) throws {
        func offset(_ code: RequestCode, _ more: [String: String] = [:]) throws -> String? {
            var request = RemotingCommand(code, ["topic": "c", "queueId": "0"])
            for (name, value) in more { request[name] = value }
            return try peer.ask(request)["offset"]
        }
        #expect(try offset(.getMinOffset) == "45" && offset(.getMaxOffset) == "50")
        for (time, first) in [("0", "45"), ("9223372036854775807", "50")] {
            #expect(try offset(.searchOffsetByTimestamp, ["timestamp": time]) == first)
        }
        let stored = left[3].record.storeTimestamp.rawValue
        let same = left.filter { $0.record.storeTimestamp.rawValue == stored }.map(\.record.queueOffset)
        #expect(try offset(.searchOffsetByTimestamp, ["timestamp": String(stored)]) == String(same[0]))
        #expect(
            try offset(.searchOffsetByTimestamp, ["timestamp": String(stored), "boundaryType": "UPPER"])
                == String(same[same.count - 1]))
        #expect(try offset(.searchOffsetByTimestamp, ["timestamp": "1", "boundaryType": "UPPER"]) == "45")
        let earliest = try peer.ask(RemotingCommand(.getEarliestMessageStoreTime, ["topic": "c", "queueId": "0"]))
        #expect(earliest["timestamp"] == String(left[0].record.storeTimestamp.rawValue))
        let reset = try peer.ask(
            RemotingCommand(
                .invokeBrokerToResetOffset, ["group": "g", "topic": "c", "timestamp": "0", "isForce": "true"]))
        #expect(reset.responseCode == .success)
        #expect(try peer.ask(.progress("c"))["offset"] == "45")
    }

    @Test func `what cannot be compacted is refused`() throws {
        let running = try RunningBroker()
        let peer = try running.connect()
        #expect(try peer.ask(Self.compacted("c")).responseCode == .success)
        let refused = try peer.ask(.put("c", "no key"))
        #expect(refused.responseCode == .messageIllegal && refused.remark == "Required message key is missing")
        #expect(try peer.ask(Self.put("", "empty key")).responseCode == .messageIllegal)
        let batches = try peer.ask(Self.compacted("b", ",+queue.type=BatchCQ"))
        #expect(batches.responseCode == .invalidParameter)
        #expect(batches.remark == "cleanup.policy=COMPACTION needs queue.type=SimpleCQ")
    }
}

/// Goal: a file goes when nobody needs it, waits while compactions get on, and is given up only when they do not and the
/// disk is full.
@Suite struct DeletionHoldTests {
    private let queue = DeletionHold.Queue(topic: "c", queueID: 0)
    private let other = DeletionHold.Queue(topic: "c", queueID: 1)
    private let start = Instant(nanoseconds: 1 << 40)

    private func after(_ milliseconds: Int64) -> Instant { start.advanced(byMilliseconds: milliseconds) }

    @Test func `nobody needs it`() {
        var hold = DeletionHold()
        #expect(hold.asked(lacking: [], isDiskFull: false, at: start) == .go)
        #expect(hold.asked(lacking: [], isDiskFull: true, at: start) == .go)
    }

    @Test func `it waits as long as nothing was tried, whatever the time and the disk`() {
        var hold = DeletionHold()
        #expect(hold.asked(lacking: [queue], isDiskFull: true, at: start) == .wait([queue]))
        #expect(hold.asked(lacking: [queue], isDiskFull: true, at: after(1_000_000)) == .wait([queue]))
    }

    @Test func `it waits while compactions get on`() {
        var hold = DeletionHold()
        for round in 0..<100 as Range<Int64> {
            hold.tried(queue, gotOn: round % 2 == 0, at: after(round * 60_000))
            #expect(hold.asked(lacking: [queue], isDiskFull: true, at: after(round * 60_000 + 1)) == .wait([queue]))
        }
    }

    @Test func `what is tried in vain for two minutes is given up if the disk is full, and only then`() {
        var hold = DeletionHold()
        for second in 0..<120 as Range<Int64> {
            hold.tried(queue, gotOn: false, at: after(second * 1000))
            #expect(hold.asked(lacking: [queue], isDiskFull: true, at: after(second * 1000)) == .wait([queue]))
        }
        #expect(hold.asked(lacking: [queue], isDiskFull: false, at: after(120_000)) == .wait([queue]))
        #expect(hold.asked(lacking: [queue, other], isDiskFull: true, at: after(120_000)) == .wait([queue, other]))
        #expect(hold.asked(lacking: [queue], isDiskFull: true, at: after(120_000)) == .abandon([queue]))
    }

    @Test func `a queue that lacks nothing any more begins anew`() {
        var hold = DeletionHold()
        hold.tried(queue, gotOn: false, at: start)
        #expect(hold.asked(lacking: [], isDiskFull: true, at: after(60_000)) == .go)
        #expect(hold.asked(lacking: [queue], isDiskFull: true, at: after(200_000)) == .wait([queue]))
    }
}
