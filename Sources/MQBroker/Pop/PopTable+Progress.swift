/// Where groups go on, and what others set of that.
extension PopTable {
    /// Where groups go on now, of queues where that has moved since the last call.
    mutating func takeProgress() -> [Progress] {
        guard !moved.isEmpty || !corrected.isEmpty else { return [] }
        var progress = corrected
        corrected.removeAll()
        for number in moved where queues[number] != nil {
            let change = with(number) { queue -> Progress? in
                let base = queue.base
                guard base > queue.committed else { return nil }
                defer { queue.committed = base }
                return Progress(key: queue.key, from: queue.committed, to: base)
            }
            if let change { progress.append(change) }
        }
        moved.removeAll(keepingCapacity: moved.capacity <= 1 << 16)
        return progress
    }

    /// Compares some queues with their groups' progress, which others may have set, and forgets those that are idle.
    /// - Parameters:
    ///   - start: number of the first queue to look at.
    ///   - committed: a group's progress; `nil`: topic or group are gone.
    /// - Returns: where to go on; `nil` behind the last.
    mutating func look(
        from start: Int, count: Int, idleBefore: Int64, committed: (PopQueueKey) -> Int64?
    ) -> Int? {
        let end = count < queues.count - start ? start + count : queues.count
        for number in start..<max(start, end) {
            guard let queue = queues[number], !queue.isBusy else { continue }
            guard let progress = committed(queue.key) else {
                forget(number)
                continue
            }
            follow(number, progress)
            let isOpen = queue.openCount > 0 || queue.ordered?.isOpen == true
            guard !isOpen, queue.lastUsed < idleBefore, queues[number]?.next == progress else { continue }
            // What the disk may not hold yet must still be on its way should the log lose it.
            if !unflushed.contains(number) { forget(number) }
        }
        tidyDeadlines()
        return end < queues.count ? end : nil
    }

    /// An administrator has set the group's progress. A queue that is being read hears of it with its next pop.
    mutating func reset(_ key: PopQueueKey, to offset: Int64) {
        guard let number = numbers[key], queues[number]?.isBusy == false else { return }
        reset(number, to: offset)
    }

    /// Somebody else has set the group's progress: the queue goes on there.
    mutating func follow(_ number: Int, _ committed: Int64) {
        guard let queue = queues[number], queue.committed != committed, !queue.isBusy else { return }
        if committed > queue.next {
            with(number) { queue in
                queue.next = committed
                queue.committed = committed
                queue.ordered = nil
                queue.freeAt = nil
            }
        } else {
            reset(number, to: committed)
        }
    }

    // MARK: - What another broker left

    /// Takes a check-point of the revive topic for a span.
    /// - Returns: `false` if there is no room.
    mutating func adopt(_ key: PopQueueKey, _ span: PopSpan, committed: Int64, now: Int64) -> Bool {
        guard spanCount < limits.spansMax, let number = number(of: key, next: committed, now: now) else {
            return false
        }
        journal(number)
        add(number, span, next: queues[number]?.next ?? committed)
        return true
    }

    /// The revive topic's queue is taken in up to `offset`.
    mutating func setAdopted(_ reviveQueue: Int32, _ offset: Int64) {
        adopted[reviveQueue] = offset
        PopRecord.adopted(reviveQueue: reviveQueue, offset: offset).append(to: &staged)
    }

    /// Takes an ordered pop that another broker wrote down, unless one is known.
    mutating func adopt(_ key: PopQueueKey, ordered: OrderedPop, committed: Int64, now: Int64) {
        guard let number = number(of: key, next: committed, now: now), queues[number]?.ordered == nil else { return }
        with(number) { $0.ordered = ordered }
        stageOrdered(number)
    }

    /// Every ordered pop, for `consumerOrderInfo.json`.
    var orderedPops: [(key: PopQueueKey, pop: OrderedPop)] {
        queues.compactMap { queue in queue.flatMap { queue in queue.ordered.map { (queue.key, $0) } } }
    }
}
