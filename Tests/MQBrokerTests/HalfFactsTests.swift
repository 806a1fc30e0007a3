import MQBytes
import MQMessage
import Testing

@testable import MQBroker

/// What a check does with a half message.
@Suite struct HalfFactsTests {
    private let rules = HalfFacts.Rules(timeoutMilliseconds: 6000, checkMax: 15, reservedMilliseconds: 3_600_000)

    private func facts(_ properties: [(String, String)] = [], born: Int64 = 1_000_000) -> HalfFacts {
        let text = Properties.encode(properties.map { (name: $0.0, value: $0.1) })
        return HalfFacts(text.span, bornTimestamp: born)
    }

    @Test func `a young message waits, an older one is asked about`() {
        #expect(facts().action(at: 1_006_000, rules) == .wait(until: 1_006_001))
        #expect(facts().action(at: 1_006_001, rules) == .ask(times: 1))
        #expect(facts([("TRANSACTION_CHECK_TIMES", "3")]).action(at: 1_006_001, rules) == .ask(times: 4))
    }

    @Test func `a message from the future is asked about at once`() {
        #expect(facts().action(at: 999_999, rules) == .ask(times: 1))
        #expect(facts(born: .max).action(at: 0, rules) == .ask(times: 1))
        #expect(facts(born: .max).action(at: -2, rules) == .ask(times: 1))
    }

    @Test func `a message that was asked about often enough, or is too old, is given up`() {
        #expect(facts([("TRANSACTION_CHECK_TIMES", "15")]).action(at: 1_000_001, rules) == .giveUp)
        #expect(facts([("TRANSACTION_CHECK_TIMES", "14")]).action(at: 1_006_001, rules) == .ask(times: 15))
        #expect(facts().action(at: 1_000_000 + 3_600_001, rules) == .giveUp)
        #expect(facts(born: .min).action(at: 1, rules) == .giveUp)
    }

    @Test(arguments: ["x", "", "99999999999999999999"])
    func `check times that are no number count as none`(text: String) {
        #expect(facts([("TRANSACTION_CHECK_TIMES", text)]).action(at: 1_006_001, rules) == .ask(times: 1))
    }

    @Test func `immunity keeps its message as long as it says, and does not count as a check`() {
        let immune = facts([("CHECK_IMMUNITY_TIME_IN_SECONDS", "60"), ("TRANSACTION_CHECK_TIMES", "2")])
        #expect(immune.action(at: 1_060_000, rules) == .keep)
        #expect(immune.action(at: 1_060_001, rules) == .ask(times: 3))
        let short = facts([("CHECK_IMMUNITY_TIME_IN_SECONDS", "1")])
        #expect(short.action(at: 1_001_001, rules) == .ask(times: 1))
        for text in ["-1", "soon", ""] {
            let bad = facts([("CHECK_IMMUNITY_TIME_IN_SECONDS", text)])
            #expect(bad.action(at: 1_006_000, rules) == .keep && bad.action(at: 1_006_001, rules) == .ask(times: 1))
        }
        let endless = facts([("CHECK_IMMUNITY_TIME_IN_SECONDS", "9223372036854775807")])
        #expect(endless.action(at: 1_000_001, rules) == .keep)
    }

    @Test func `an end is too late behind its message's own immunity only`() {
        #expect(!facts().isTooLate(at: .max, timeoutMilliseconds: 6000))
        let immune = facts([("CHECK_IMMUNITY_TIME_IN_SECONDS", "60")])
        #expect(!immune.isTooLate(at: 1_060_000, timeoutMilliseconds: 6000))
        #expect(immune.isTooLate(at: 1_060_001, timeoutMilliseconds: 6000))
        let short = facts([("CHECK_IMMUNITY_TIME_IN_SECONDS", "1")])
        #expect(!short.isTooLate(at: 1_006_000, timeoutMilliseconds: 6000), "the timeout is the least")
        #expect(short.isTooLate(at: 1_006_001, timeoutMilliseconds: 6000))
        #expect(!facts([("CHECK_IMMUNITY_TIME_IN_SECONDS", "")]).isTooLate(at: .max, timeoutMilliseconds: 6000))
    }

    @Test func `a copy keeps its root`() {
        #expect(facts().half(at: 7) == HalfMessage(offset: 7, root: 7))
        #expect(facts([("TRAN_PREPARED_QUEUE_OFFSET", "3")]).half(at: 7) == HalfMessage(offset: 7, root: 3))
        for text in ["7", "8", "-1", "x", ""] {
            #expect(facts([("TRAN_PREPARED_QUEUE_OFFSET", text)]).half(at: 7) == HalfMessage(offset: 7, root: 7))
        }
    }

    @Test func `a copy's properties are replaced, not doubled`() {
        let text = Properties.encode([
            (name: "TRANSACTION_CHECK_TIMES", value: "1"), (name: "TAGS", value: "A"),
            (name: "TRAN_PREPARED_QUEUE_OFFSET", value: "3"),
        ])
        func copy(_ half: HalfMessage?, _ times: Int64?) -> [String] {
            var buffer = ByteBuffer()
            HalfFacts.appendCopy(of: text.span, half: half, times: times, to: &buffer)
            return Properties.list(buffer.span).map { "\($0.name)=\($0.value)" }
        }
        let half = HalfMessage(offset: 9, root: 3)
        #expect(copy(half, 2) == ["TAGS=A", "TRANSACTION_CHECK_TIMES=2", "TRAN_PREPARED_QUEUE_OFFSET=3"])
        #expect(copy(half, nil) == ["TRANSACTION_CHECK_TIMES=1", "TAGS=A", "TRAN_PREPARED_QUEUE_OFFSET=3"])
        #expect(copy(nil, 0) == ["TAGS=A", "TRANSACTION_CHECK_TIMES=0"])
    }

    @Test func `offsets in a body are read as Java reads them`() {
        func offsets(_ text: String) -> [Int64] { Transactions.offsets(in: Array(text.utf8).span) }
        #expect(offsets("0,1,3,") == [0, 1, 3] && offsets("12") == [12] && offsets("") == [])
        #expect(offsets("x,-1,5,,99999999999999999999,6") == [5, 6])
    }
}
