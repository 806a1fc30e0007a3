import MQBase
import MQObserve
import MQStore
import MQSystem

/// What happens to popped messages whose time is over: they are put to the group's retry topic for another attempt, or
/// after `retryMaxTimes` of them to the dead letters. Body of the `pop` thread, which sleeps until the next one is due.
final class PopExpiry: Sendable {
    /// Spans taken at a time.
    private static let spansMax = 1024
    /// How long after a failure it is tried again, and how often queues are looked at, ms.
    private static let retryMilliseconds: Int64 = 1000
    private static let lookMilliseconds: Int64 = 1000
    /// Queues looked at while the table is locked.
    private static let lookCount = 500

    private let config: LiveConfig
    private let service: PopService
    private let topics: TopicTable
    private let groups: GroupTable
    private let adoption: ReviveTopic
    private let store: MessageStore
    private let redelivery: Redelivery
    private let stats: BrokerStats
    private let log: Log
    /// When the queues are looked at next, ms since 1970.
    private let nextLook = Lock<Int64>(0)

    init(
        config: LiveConfig, service: PopService, tables: BrokerTables, adoption: ReviveTopic, redelivery: Redelivery,
        stats: BrokerStats, log: Log
    ) {
        self.config = config
        self.service = service
        topics = tables.topics
        groups = tables.groups
        self.adoption = adoption
        store = service.store
        self.redelivery = redelivery
        self.stats = stats
        self.log = log
    }

    /// Does what is due. On the `pop` thread.
    /// - Returns: when to come back at the latest, ms from now.
    func run() -> Int64 {
        let retries = PopRetries(
            config: config, store: store, topics: topics, groups: groups, redelivery: redelivery, stats: stats, log: log
        )
        while true {
            let now = SystemClock.wall().rawValue
            let (spans, freed) = service.withTable { $0.takeExpired(now: now, countMax: Self.spansMax) }
            for key in freed { service.events?.freed(key) }
            guard !spans.isEmpty else { break }
            let isDone = revive(spans, retries)
            if !isDone {
                service.withTable { table in  // what is done is gone
                    for span in spans { table.postpone(span, to: now + Self.retryMilliseconds) }
                }
            }
            _ = service.commit()
            for (group, topics) in retries.takeTold() { for topic in topics { service.events?.retried(group, topic) } }
            if !isDone { return Self.retryMilliseconds }
        }
        look()
        let isIdle = service.withTable { $0.queueCount == 0 } && !adoption.isOpen
        return isIdle && service.refusal == nil ? 60_000 : Self.lookMilliseconds
    }

    /// Puts what is open of spans to where it goes next. `false`: not all of it.
    private func revive(_ spans: [PopTable.Expired], _ retries: PopRetries) -> Bool {
        var isDone = true
        for span in spans where !retries.isRefused {
            if !retries.add(span) { isDone = false }
            finish(retries)
        }
        retries.commit()
        finish(retries)
        return isDone && !retries.isRefused
    }

    private func finish(_ retries: PopRetries) {
        let done = retries.takeDone()
        guard !done.isEmpty else { return }
        service.withTable { table in
            for entry in done { table.finish(entry.expired, entry.bits, logEnd: entry.logEnd) }
        }
    }

    // MARK: - Now and then

    /// Takes in what another broker left, follows progress that others have set, forgets idle queues, shortens the journal.
    private func look() {
        let now = SystemClock.wall().rawValue
        let isDue = nextLook.withLock { next in
            guard next <= now || next > now + 10 * Self.lookMilliseconds else { return false }
            next = now + Self.lookMilliseconds
            return true
        }
        guard isDue else { return }
        adoption.takeIn(now: now)
        let flushed = store.flushedOffset.rawValue
        service.withTable { $0.flushed(to: flushed) }
        // By then the file of the groups' progress was written, twice.
        let idle = max(30_000, config.current.groups.flushConsumerOffsetMilliseconds * 5 / 2)
        var next: Int? = 0
        while let start = next {
            next = service.withTable { table in
                table.look(from: start, count: Self.lookCount, idleBefore: now - idle) { [service] key in
                    service.offsets.query(group: key.group, topic: key.topic, queueID: key.queueID)
                }
            }
        }
        _ = service.commit()
        service.compactIfLarge()
    }
}
