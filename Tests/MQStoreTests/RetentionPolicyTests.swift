import Testing

@testable import MQStore

/// Goal: RocketMQ's rules of when files go and when messages are refused, one by one. A value: no disk, no clock.
@Suite struct RetentionPolicyTests {
    private static let hour: Int64 = 3_600_000
    private var settings = RetentionSettings()

    private func disk(_ percent: UInt64) -> DiskUsage { DiskUsage(used: percent, available: 100 - percent) }

    private func situation(
        hour: Int = 12, log: UInt64 = 20, queues: UInt64 = 20, reclaiming: UInt64 = 0, hours: [Int64]
    ) -> RetentionPolicy.Situation {
        RetentionPolicy.Situation(
            hour: hour, logDisk: disk(log), queueDisk: disk(queues), reclaiming: reclaiming,
            ages: hours.map { $0 * Self.hour })
    }

    @Test func `expired files go in the hour for it, oldest first, and none in another`() {
        var policy = RetentionPolicy()
        let ages: [Int64] = [100, 73, 72, 71, 90]
        #expect(policy.decide(situation(hour: 3, hours: ages), settings) == .init())
        let decision = policy.decide(situation(hour: 4, hours: ages), settings)
        // The last is older than the one before it, whose mark in the middle of the log holds it.
        #expect(decision == .init(deleteCount: 3, reason: .hour))
    }

    @Test func `a round takes ten files at most`() {
        var policy = RetentionPolicy()
        let ages = [Int64](repeating: 80, count: 40)
        #expect(policy.decide(situation(hour: 4, hours: ages), settings).deleteCount == 10)
        var small = settings
        small.fileBatchMax = 3
        #expect(policy.decide(situation(hour: 4, hours: ages), small).deleteCount == 3)
    }

    @Test(
        arguments: [
            (75, 0, nil), (76, 1, .space), (85, 1, .space), (86, 3, .space), (91, 3, .space),
        ] as [(UInt64, Int, RetentionPolicy.Reason?)])
    func `a disk that fills up deletes at any hour, at last by force`(
        percent: UInt64, count: Int, reason: RetentionPolicy.Reason?
    ) {
        for isQueues in [false, true] {
            var policy = RetentionPolicy()
            let decision = policy.decide(
                situation(log: isQueues ? 20 : percent, queues: isQueues ? percent : 20, hours: [80, 5, 1]), settings)
            #expect(decision.deleteCount == count)
            #expect(decision.reason == reason)
            #expect(decision.isForced == (percent > 85))
        }
    }

    @Test func `nothing goes by force where that is switched off`() {
        var policy = RetentionPolicy()
        var careful = settings
        careful.isForciblyEnabled = false
        let decision = policy.decide(situation(log: 95, hours: [80, 5, 1]), careful)
        #expect(decision == .init(deleteCount: 1, reason: .space, isForced: false))
        #expect(policy.isLogDiskFull)
    }

    @Test func `room that is on its way back counts as free for deleting and not for writing`() {
        var policy = RetentionPolicy()
        let decision = policy.decide(situation(log: 92, reclaiming: 30, hours: [80, 5]), settings)
        #expect(decision == .init())
        #expect(policy.isLogDiskFull)
    }

    @Test func `messages are refused above the warning level until nothing must go by force`() {
        var policy = RetentionPolicy()
        for (percent, isFull) in [(90, false), (91, true), (88, true), (86, true), (85, false), (88, false)] {
            _ = policy.decide(situation(log: UInt64(percent), hours: []), settings)
            #expect(policy.isLogDiskFull == isFull, "\(percent) %")
        }
        _ = policy.decide(situation(queues: 91, hours: []), settings)
        #expect(policy.isQueueDiskFull && !policy.isLogDiskFull)
        // A disk that cannot be asked changes nothing.
        _ = policy.decide(.init(hour: 1, logDisk: nil, queueDisk: nil, ages: []), settings)
        #expect(policy.isQueueDiskFull)
    }

    @Test func `an order counts for twenty rounds and takes only what is expired`() {
        var policy = RetentionPolicy()
        policy.deleteManually()
        for _ in 0..<20 {
            #expect(
                policy.decide(situation(hours: [80, 1]), settings) == .init(deleteCount: 1, reason: .order))
        }
        #expect(policy.decide(situation(hours: [80, 1]), settings) == .init())
    }

    @Test func `ratios are held where Java holds them`() {
        var wild = settings
        (wild.maxUsedPercent, wild.cleanForciblyPercent, wild.warningPercent) = (1, 99, 99)
        #expect((wild.clamped.maxUsedPercent, wild.clamped.cleanForciblyPercent) == (10, 85))
        #expect(wild.clamped.warningPercent == 90)
        (wild.maxUsedPercent, wild.cleanForciblyPercent, wild.warningPercent) = (99, 1, 1)
        #expect((wild.clamped.maxUsedPercent, wild.clamped.cleanForciblyPercent) == (95, 30))
        #expect(wild.clamped.warningPercent == 35)
    }

    @Test func `a share of a percent counts as a percent, as df shows it`() {
        #expect(DiskUsage(used: 0, available: 1000).percent == 0)
        #expect(DiskUsage(used: 1, available: 999).percent == 1)
        #expect(DiskUsage(used: 850, available: 150).percent == 85)
        #expect(DiskUsage(used: 851, available: 149).percent == 86)
        #expect(DiskUsage(used: 1000, available: 0).percent == 100)
        #expect(DiskUsage(used: 10, available: 90).freeing(20) == DiskUsage(used: 0, available: 100))
    }
}
