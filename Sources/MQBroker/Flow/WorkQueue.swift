import MQBase

/// Jobs that wait for a thread, in the order they came, each kind with a bound and a patience of its own. Pure: no clock, no
/// lock.
struct WorkQueue<Job> {
    /// A job that waits.
    struct Entry {
        let job: Job
        let queuedAt: Instant
        /// When its sender is told that nothing came of it.
        let deadline: Instant?
        fileprivate let number: UInt64
    }

    /// First in, first out.
    private struct Lane {
        var entries: [Entry?] = []
        var start = 0
        var count: Int { entries.count - start }
        var first: Entry? { start < entries.count ? entries[start] : nil }

        mutating func removeFirst() -> Entry? {
            guard let entry = first else { return nil }
            entries[start] = nil
            start += 1
            if start == entries.count {
                entries.removeAll(keepingCapacity: entries.count <= 1024)
                start = 0
            } else if start > 64, start * 2 > entries.count {
                entries.removeFirst(start)
                start = 0
            }
            return entry
        }
    }

    private var lanes = WorkLane.allCases.map { _ in Lane() }
    private var nextNumber: UInt64 = 0

    /// How many jobs of the kind wait.
    func count(_ lane: WorkLane) -> Int { lanes[lane.rawValue].count }

    /// When the first job of the kind came; `nil` if none waits.
    func oldest(_ lane: WorkLane) -> Instant? { lanes[lane.rawValue].first?.queuedAt }

    /// When the first of all gives up; `nil` if none does.
    var nextDeadline: Instant? { lanes.compactMap { $0.first?.deadline }.min() }

    /// Queues `job`.
    /// - Returns: `false` if as many of its kind wait as may.
    mutating func add(_ job: Job, to lane: WorkLane, _ limits: FlowSettings.Lane, now: Instant) -> Bool {
        guard count(lane) < limits.countMax else { return false }
        let deadline = limits.waitMilliseconds.map { now.advanced(byMilliseconds: $0) }
        lanes[lane.rawValue].entries.append(
            Entry(job: job, queuedAt: now, deadline: deadline, number: nextNumber))
        nextNumber &+= 1
        return true
    }

    /// Takes the job that came first.
    mutating func next() -> Entry? {
        let oldest = lanes.indices.filter { lanes[$0].first != nil }
            .min { (lanes[$0].first?.number ?? 0) < (lanes[$1].first?.number ?? 0) }
        return oldest.flatMap { lanes[$0].removeFirst() }
    }

    /// Takes a job that has waited for too long, with how many of its kind are left; `nil` if there is none.
    mutating func nextExpired(now: Instant) -> (entry: Entry, left: Int)? {
        for index in lanes.indices {
            guard let deadline = lanes[index].first?.deadline, deadline <= now,
                let entry = lanes[index].removeFirst()
            else { continue }
            return (entry, lanes[index].count)
        }
        return nil
    }
}
