import Foundation
import MQBase
import MQBytes
import MQFilter
import MQMessage
import MQProtocol
import MQRemoting
import MQTestKit
import Testing

@testable import MQBroker

/// Goal: SQL92 subscriptions bring what their expression wants, over every way a pull goes, and refusals say what RocketMQ's
/// say and where. Method: a whole broker, messages with properties, hostile expressions.
@Suite struct PropertyFilterTests {
    private let running: RunningBroker
    private let peer: RemotingPeer

    init() throws {
        running = try RunningBroker(["enablePropertyFilter": "true"])
        peer = try running.connect()
    }

    /// Puts messages whose bodies are their numbers into queue 0, `a` of each its number, and waits for the last.
    private func fill(_ topic: String, _ numbers: Range<Int>, on peer: RemotingPeer) throws {
        for number in numbers {
            let even = number % 2 == 0 ? "even\u{1}true\u{2}" : ""
            let answer = try peer.ask(.put(topic, "\(number)", properties: "a\u{1}\(number)\u{2}\(even)"))
            #expect(answer.responseCode == .success)
        }
        var next: Int64 = 0
        while next < Int64(numbers.upperBound) {
            next = try #require(try peer.ask(.pull(topic, from: next, wait: 10_000)).int64("nextBeginOffset"))
        }
    }

    private func pull(
        _ topic: String, _ expression: String, from offset: Int64 = 0, wait: Int64 = 0,
        with changes: [String: String?] = [:]
    ) -> RemotingCommand {
        .pull(
            topic, from: offset, wait: wait, tags: expression,
            with: changes.merging(["expressionType": "SQL92"]) { $1 })
    }

    private func check(_ type: String, _ expression: String) -> RemotingCommand {
        let subscription = SubscriptionData(topic: "t", subString: expression, expressionType: type)
        let body = CheckClientRequestBody(clientID: "c", group: "g", subscriptionData: subscription)
        return RemotingCommand(.checkClientConfig, body: body.encoded())
    }

    private func bodies(_ answer: RemotingCommand) throws -> [String] {
        #expect(answer.responseCode == .success, "\(answer)")
        return try Pulled.all(answer).map(\.text)
    }

    @Test func `a pull brings what its expression wants`() throws {
        try fill("t", 0..<40, on: peer)
        #expect(try bodies(peer.ask(pull("t", "a BETWEEN 3 AND 5"))) == ["3", "4", "5"])
        #expect(try bodies(peer.ask(pull("t", "even = TRUE AND a > 35"))) == ["36", "38"])
        #expect(try bodies(peer.ask(pull("t", "a IN ('7', '70') OR even IS NULL AND a >= 37"))) == ["7", "37", "39"])
        let first = try peer.ask(pull("t", "even IS NOT NULL", with: ["maxMsgNums": "3"]))
        #expect(try bodies(first) == ["0", "2", "4"])
        let next = try #require(first.int64("nextBeginOffset"))
        #expect(next >= 5)
        #expect(
            try bodies(peer.ask(pull("t", "even IS NOT NULL", from: next, with: ["maxMsgNums": "2"]))) == ["6", "8"])
        let none = try peer.ask(pull("t", "b = 1"))
        #expect(none.responseCode == .pullRetryImmediately && none.remark == "NO_MATCHED_MESSAGE")
        #expect(none.int64("nextBeginOffset") == 40)
        // What cannot be compared is not wanted.
        _ = try peer.ask(.put("t", "words", properties: "a\u{1}many\u{2}"))
        _ = try peer.ask(.pull("t", from: 40, wait: 10_000))
        #expect(try peer.ask(pull("t", "a > 0", from: 40)).int64("nextBeginOffset") == 41)
        #expect(try bodies(peer.ask(pull("t", "a = 'many'", from: 39))) == ["words"])
    }

    @Test func `a pull looks at no more units than it may`() throws {
        let running = try RunningBroker(["enablePropertyFilter": "true", "maxFilterMessageSize": "16000"])
        let peer = try running.connect()
        try fill("t", 0..<1000, on: peer)
        var looked: [Int64] = []
        var next: Int64 = 0
        while next < 1000 {
            let answer = try peer.ask(pull("t", "a = 999", from: next))
            next = try #require(answer.int64("nextBeginOffset"))
            looked.append(next)
            if answer.responseCode == .success { #expect(try bodies(answer) == ["999"]) }
        }
        #expect(looked == [800, 1000])
    }

    @Test func `an expression that costs too much ends a look early`() throws {
        let value = String(repeating: "a", count: 30_000)
        for _ in 0..<40 { _ = try peer.ask(.put("t", "x", properties: "v\u{1}\(value)\u{2}")) }
        var next: Int64 = 0
        while next < 40 {
            next = try #require(try peer.ask(.pull("t", from: next, wait: 10_000)).int64("nextBeginOffset"))
        }
        let expression = (0..<20).map { "v CONTAINS 'b\($0)'" }.joined(separator: " OR ")
        let answer = try peer.ask(pull("t", expression))
        let looked = try #require(answer.int64("nextBeginOffset"))
        #expect(answer.remark == "NO_MATCHED_MESSAGE" && (1..<10).contains(looked), "\(answer)")
        var steps = 0
        next = looked
        while next < 40, steps < 40 {
            next = try #require(try peer.ask(pull("t", expression, from: next)).int64("nextBeginOffset"))
            steps += 1
        }
        #expect(next == 40)
    }

    @Test func `records that count as cold are looked at, and brought as few as may come from the disk`() throws {
        let running = try RunningBroker(["enablePropertyFilter": "true", "accessMessageInMemoryMaxRatio": "0"])
        let peer = try running.connect()
        try fill("t", 0..<40, on: peer)
        #expect(try bodies(peer.ask(pull("t", "a BETWEEN 3 AND 5"))) == ["3", "4", "5"])
        let many = try peer.ask(pull("t", "even IS NOT NULL"))
        #expect(try bodies(many) == (0..<8).map { "\($0 * 2)" }, "as many as may come from the disk")
        let next = try #require(many.int64("nextBeginOffset"))
        #expect(try bodies(peer.ask(pull("t", "even IS NOT NULL", from: next))).first == "16")
        let none = try peer.ask(pull("t", "b = 1", wait: 10_000))
        #expect(none.responseCode == .pullRetryImmediately && none.int64("nextBeginOffset") == 40)
        // What was just written is in memory, wherever it counts as lying.
        let waiter = try running.connect()
        waiter.post(pull("t", "a = 41", from: 40, wait: 15_000))
        _ = try waiter.ask(RemotingCommand(.getMaxOffset, ["topic": "t", "queueId": "0"]))
        _ = try peer.ask(.put("t", "40", properties: "a\u{1}40\u{2}"))
        _ = try peer.ask(.put("t", "41", properties: "a\u{1}41\u{2}"))
        #expect(try bodies(waiter.receive()) == ["41"])
    }

    @Test func `a long poll sleeps through what its expression does not want`() throws {
        try fill("t", 0..<1, on: peer)
        let waiter = try running.connect()
        waiter.post(pull("t", "a > 5", from: 1, wait: 15_000))
        _ = try waiter.ask(RemotingCommand(.getMaxOffset, ["topic": "t", "queueId": "0"]))
        for number in [1, 2, 3, 5, 6] { _ = try peer.ask(.put("t", "\(number)", properties: "a\u{1}\(number)\u{2}")) }
        let answer = try waiter.receive()
        #expect(try bodies(answer) == ["6"])
        #expect(answer.int64("nextBeginOffset") == 6)
    }

    @Test func `without its own expression a pull uses the heartbeat's`() throws {
        try fill("t", 0..<10, on: peer)
        func ask(_ version: Int) throws -> RemotingCommand {
            try peer.ask(
                .pull(
                    "t", group: "g",
                    with: [
                        "sysFlag": "0", "subVersion": "\(version)", "subscription": nil, "expressionType": "SQL92",
                    ]))
        }
        _ = try peer.ask(.heartbeat(group: "g", topic: "t", sql: "a = 1", version: 10))
        #expect(try bodies(ask(10)) == ["1"])
        #expect(try ask(11).responseCode == .subscriptionNotLatest)
        _ = try peer.ask(.heartbeat(group: "g", topic: "t", sql: "a = 2", version: 11))
        #expect(try bodies(ask(11)) == ["2"])
        _ = try peer.ask(.heartbeat(group: "g", topic: "t", sql: "a = 3 AND", version: 9))
        #expect(try bodies(ask(11)) == ["2"], "an older one does not count")
        _ = try peer.ask(.heartbeat(group: "g", topic: "t", sql: "a = 3 AND", version: 12))
        let wrong = try ask(12)
        #expect(wrong.responseCode == .filterDataNotExist)
        #expect(
            wrong.remark
                == "The broker's consumer filter data is not exist!Your expression may be wrong! Invalid MessageSelector. "
                + "At character 10: expected a property, a value, NOT or (, found the end")
        _ = try peer.ask(.heartbeat(group: "g", topic: "t", sql: "a = 3", version: 13))
        #expect(try bodies(ask(13)) == ["3"])
        _ = try peer.ask(.heartbeat(group: "g", topic: "t", version: 14))
        #expect(try bodies(ask(14)).count == 10, "tags again")
    }

    @Test func `a retry topic brings everything, or what its group wants of the topic it is from`() throws {
        for isFiltered in [false, true] {
            let running = try RunningBroker([
                "enablePropertyFilter": "true", "filterSupportRetry": isFiltered ? "true" : "false",
            ])
            let peer = try running.connect()
            try fill("t", 0..<3, on: peer)
            _ = try peer.ask(.heartbeat(group: "g", topic: "t", sql: "a = 1", version: 10))
            for message in try Pulled.all(peer.ask(.pull("t"))) {
                let answer = try peer.ask(.sendBack(message.record.physicalOffset, group: "g", level: 1))
                #expect(answer.responseCode == .success)
            }
            var seen: [String] = []
            var next: Int64 = 0
            while next < 3 {
                let answer = try peer.ask(.pull("%RETRY%g", from: next, group: "g", wait: 15_000))
                next = try #require(answer.int64("nextBeginOffset"))
                if answer.responseCode == .success { seen += try Pulled.all(answer).map(\.text) }
            }
            #expect(seen == (isFiltered ? ["1"] : ["0", "1", "2"]))
        }
    }

    @Test func `bits of extension units lead to the same messages, and a restart keeps what they mean`() throws {
        let keys = [
            "enablePropertyFilter": "true", "enableConsumeQueueExt": "true", "enableCalcFilterBitMap": "true",
        ]
        func ask(_ peer: RemotingPeer, from offset: Int64) throws -> RemotingCommand {
            try peer.ask(
                .pull("t", from: offset, group: "g", with: ["sysFlag": "0", "subVersion": "10", "subscription": nil]))
        }
        // A look that takes too long stops and is continued by the next pull.
        func matches(_ peer: RemotingPeer) throws -> [String] {
            var (found, next): ([String], Int64) = ([], 0)
            while next < 40 {
                let answer = try ask(peer, from: next)
                if answer.responseCode == .success { found += try Pulled.all(answer).map(\.text) }
                let end = try #require(answer.int64("nextBeginOffset"))
                try #require(end > next)
                next = end
            }
            return found
        }
        let running = try RunningBroker(keys)
        var peer = try running.connect()
        try fill("t", 0..<20, on: peer)  // before anybody filters: no bits
        _ = try peer.ask(.heartbeat(group: "g", topic: "t", sql: "a BETWEEN 18 AND 22", version: 10))
        for number in 20..<40 { _ = try peer.ask(.put("t", "\(number)", properties: "a\u{1}\(number)\u{2}")) }
        var end: Int64 = 20
        while end < 40 {  // until all of them can be read
            end = try #require(peer.ask(.pull("t", from: end, wait: 10_000)).int64("nextBeginOffset"))
        }
        #expect(try matches(peer) == ["18", "19", "20", "21", "22"])
        try running.restart()
        peer = try running.connect()
        #expect(try ask(peer, from: 0).responseCode == .subscriptionNotExist)
        _ = try peer.ask(.heartbeat(group: "g", topic: "t", sql: "a BETWEEN 18 AND 22", version: 10))
        #expect(try matches(peer) == ["18", "19", "20", "21", "22"])
    }

    @Test func `a client asks before it starts whether its expression is right`() throws {
        for (type, expression) in [("SQL92", "a > 2"), ("TAG", "a > 2"), ("", "*"), ("SQL92", "é = 1 OR a = 'é'")] {
            let answer = try peer.ask(check(type, expression))
            if expression.hasPrefix("é") {
                #expect(answer.responseCode == .subscriptionParseFailed)
                #expect(
                    answer.remark == "Invalid MessageSelector. At character 1: é begins nothing that is known here")
            } else {
                #expect(answer.responseCode == .success && answer.remark == nil, "\(answer)")
            }
        }
        let unknown = try peer.ask(check("XPATH", "a"))
        #expect(
            unknown.responseCode == .subscriptionParseFailed && unknown.remark == "there is no filter of type XPATH")
        _ = try peer.ask(RemotingCommand(.updateBrokerConfig, body: Array("enablePropertyFilter=false\n".utf8)))
        let off = try peer.ask(check("SQL92", "a > 2"))
        #expect(
            off.responseCode == .systemError
                && off.remark == "The broker does not support consumer to filter message by SQL92")
        try fill("t", 0..<1, on: peer)
        let refused = try peer.ask(pull("t", "a > 2"))
        #expect(refused.responseCode == .systemError && refused.remark == off.remark)
        _ = try peer.ask(.heartbeat(group: "g", topic: "t", sql: "a = 1", version: 10))
        let told = try peer.ask(.pull("t", group: "g", with: ["sysFlag": "0", "subVersion": "10"]))
        #expect(told.responseCode == .systemError && told.remark == off.remark)
    }

    @Test func `expressions that would cost too much or are no text are refused with their place`() throws {
        try fill("t", 0..<1, on: peer)
        let bombs: [(String, String)] = [
            (String(repeating: "(", count: 20_000), "At character 65: nested more than 64 deep"),
            (String(repeating: "NOT ", count: 10_000) + "a", "At character 257: nested more than 64 deep"),
            (
                Array(repeating: "a=1", count: 100_000).joined(separator: " or "),
                "At character 1: the expression has 699996 bytes, limit 65536"
            ),
            (
                Array(repeating: "a=1", count: 9000).joined(separator: "or "),
                "more than 4096 comparisons, operators and constants"
            ),
            ("a > 99999999999999999999", "At character 5: 99999999999999999999 is out of range"),
            ("a > 1e999", "At character 5: 1e999 is out of range"),
            ("a = 'x' AND \u{FFFD} = 1", "At character 13: \u{FFFD} begins nothing that is known here"),
            ("", "At character 1: the expression is empty"),
        ]
        for (expression, reason) in bombs {
            let checked = try peer.ask(check("SQL92", expression))
            #expect(checked.responseCode == .subscriptionParseFailed, "\(checked.remark ?? "")")
            #expect(checked.remark?.contains(reason) == true, "\(checked.remark ?? "")")
            guard expression.utf8.count < 50_000 else { continue }
            let pulled = try peer.ask(pull("t", expression))
            #expect(pulled.responseCode == .subscriptionParseFailed)
            #expect(pulled.remark == "parse the consumer's subscription failed: " + (checked.remark ?? ""))
        }
        // Bytes that are no UTF-8, in a pull's header and in a body.
        let marker = "a = 'x' AND QQ = 1"
        var frame = pull("t", marker).frame()
        let place = try #require(frame.indices.first { frame[$0...].starts(with: Array("QQ".utf8)) })
        frame.replaceSubrange(place..<(place + 2), with: [0xFF, 0xFE])
        let answer = try peer.ask(frame)
        #expect(answer.responseCode != .success, "\(answer)")
        var body = check("SQL92", marker)
        let inBody = try #require(body.body.indices.first { body.body[$0...].starts(with: Array("QQ".utf8)) })
        body.body.replaceSubrange(inBody..<(inBody + 2), with: [0xFF, 0xFE])
        #expect(try peer.ask(body).responseCode != .success)
        #expect(try bodies(peer.ask(pull("t", "a = 0"))) == ["0"])
    }
}

/// Goal: an expression is compiled once while it is used, and what nobody uses goes.
@Suite struct ExpressionCacheTests {
    private func filter(_ cache: ExpressionCache, _ expression: String) throws -> SQLFilter {
        try cache.filter(expression, type: "SQL92", isEnabled: true, else: .subscriptionParseFailed)
    }

    @Test func `the same text is the same filter`() throws {
        let cache = ExpressionCache(byteCountMax: 1 << 20)
        #expect(try filter(cache, "a = 1") === filter(cache, "a = 1"))
        #expect(try filter(cache, "a = 1") !== filter(cache, "a  = 1"))
        for _ in 0..<2 { #expect(throws: Refusal.self) { try filter(cache, "a = ") } }
    }

    @Test func `what is used stays, others go`() throws {
        let cache = ExpressionCache(byteCountMax: 64 << 10)
        let used = try filter(cache, "used = 1")
        let unused = try filter(cache, "unused = 1")
        for number in 0..<1000 {
            _ = try filter(cache, "a = \(number)")
            if number % 10 == 0 { #expect(try filter(cache, "used = 1") === used) }
        }
        #expect(try filter(cache, "unused = 1") !== unused)
    }
}
