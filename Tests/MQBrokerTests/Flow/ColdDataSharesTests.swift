import MQBase
import MQConfig
import MQJSON
import Testing

@testable import MQBroker

/// Who has to wait before it reads from the disk again.
@Suite struct ColdDataSharesTests {
    private let limits: ColdDataLimits

    init() throws {
        var values = ConfigValues(.broker, on: ConfigMachine(home: "/tmp"))
        try values.set("coldDataFlowControlEnable", to: "true")
        try values.set("cgColdReadThreshold", to: "1000")
        try values.set("globalColdReadThreshold", to: "5000")
        limits = ColdDataLimits(values)
    }

    /// At milliseconds of a clock; the wall's began a million before.
    private final class Shares {
        private var value = ColdDataShares()
        private let limits: ColdDataLimits

        init(_ limits: ColdDataLimits) { self.limits = limits }

        private func now(_ at: Int64) -> Instant { Instant(nanoseconds: at * 1_000_000) }
        private func wall(_ at: Int64) -> Timestamp { Timestamp(rawValue: 1_000_000 + at) }

        func note(_ byteCount: Int, by group: String, at: Int64) {
            value.note(byteCount, by: group, now: now(at), wall: wall(at))
        }

        func wait(_ group: String, at: Int64, _ other: ColdDataLimits? = nil) -> Int64? {
            value.wait(of: group, other ?? limits, now: now(at), wall: wall(at))
        }

        func set(_ byteCount: Int64, of group: String, countMax: Int = 10) -> Bool {
            value.setShare(byteCount, of: group, countMax: countMax)
        }

        func remove(_ group: String) { value.removeShare(of: group) }

        func json(at: Int64) -> JSON { value.json(limits, now: now(at), wall: wall(at)) }
    }

    @Test func `a group that has read its share waits for the next window, and others do not`() {
        let shares = Shares(limits)
        shares.note(999, by: "g", at: 100)
        #expect(shares.wait("g", at: 200) == nil)
        shares.note(1, by: "g", at: 300)
        #expect(shares.wait("g", at: 1100) == 4000)
        #expect(shares.wait("h", at: 1100) == nil)
        #expect(shares.wait("g", at: 5099) == 1)
        #expect(shares.wait("g", at: 5100) == nil)
    }

    @Test func `all wait when all together have read too much, but for groups without a read and RocketMQ's own`() {
        let shares = Shares(limits)
        for (index, group) in ["TOOLS_CONSUMER", "a", "b"].enumerated() {
            #expect(shares.set(1 << 40, of: group))
            shares.note(1667, by: group, at: Int64(index))
        }
        #expect(shares.wait("a", at: 10) != nil)
        #expect(shares.wait("TOOLS_CONSUMER", at: 10) == nil)
        #expect(shares.wait("c", at: 10) == nil)
        var off = limits
        off.isEnabled = false
        #expect(shares.wait("a", at: 10, off) == nil)
    }

    @Test func `a group may have a share of its own`() {
        let shares = Shares(limits)
        #expect(shares.set(5, of: "g", countMax: 1))
        #expect(!shares.set(5, of: "h", countMax: 1))
        #expect(shares.set(3, of: "g", countMax: 1))
        shares.note(4, by: "g", at: 0)
        #expect(shares.wait("g", at: 0) == 5000)
        shares.remove("g")
        #expect(shares.wait("g", at: 0) == nil)
    }

    @Test func `what was read is told, and forgotten after a minute`() {
        let shares = Shares(limits)
        #expect(shares.set(7, of: "g"))
        shares.note(10, by: "g", at: 0)
        shares.note(5, by: "g", at: 1)
        let told = shares.json(at: 2)
        let reader: JSON = ["coldAcc": 15, "createTimeMills": 1_000_000, "lastColdReadTimeMills": 1_000_001]
        #expect(
            told == [
                "runtimeTable": ["g": reader], "configTable": ["g": 7], "cgColdReadThreshold": 1000,
                "globalColdReadThreshold": 5000, "globalAcc": 15,
            ])
        let next = shares.json(at: 5000)
        #expect(next["runtimeTable"]["g"]["coldAcc"].int64 == 0 && next["globalAcc"].int64 == 0)
        let later = shares.json(at: 60_001)
        #expect(later["runtimeTable"]["g"].object == nil && later["configTable"]["g"].int64 == 7)
    }
}
