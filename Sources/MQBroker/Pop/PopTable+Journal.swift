/// The table as records, and records as the table.
extension PopTable {
    /// Makes the change that `record` tells of. Nothing is staged.
    /// - Parameter logEnd: where the log ends: what was put behind it is lost.
    mutating func apply(_ record: PopRecord, logEnd: Int64, now: Int64) {
        switch record {
        case .queue(let number, let key, let next): place(key, at: number, next: next, now: now)
        case .span(let number, let span, let next):
            guard isKnown(number) else { return }
            insert(number, span, next: next)
        case .ack(let number, let key, let bits): if isKnown(number) { _ = close(number, key, bits) }
        case .revived(let number, let key, let bits, let end):
            if end <= logEnd, isKnown(number) { _ = close(number, key, bits) }
        case .reset(let number, let next):
            if isKnown(number) { clear(number, next) }
        case .forget(let number): if isKnown(number) { drop(number) }
        case .ordered(let number, let pop, let next):
            guard isKnown(number) else { return }
            with(number) { queue in
                queue.ordered = pop
                queue.next = next
            }
            scheduleFreeing(number)
        case .adopted(let reviveQueue, let offset): adopted[reviveQueue] = offset
        }
    }

    private func isKnown(_ number: Int) -> Bool { queues.indices.contains(number) && queues[number] != nil }

    private mutating func place(_ key: PopQueueKey, at number: Int, next: Int64, now: Int64) {
        while queues.count <= number { queues.append(nil) }
        drop(number)
        if let other = numbers[key] { drop(other) }
        queues[number] = PopQueue(key, next: next, now: now)
        queues[number]?.isJournaled = true
        numbers[key] = number
    }

    /// Compares a table that was made from records with the groups' progress, which was written down apart, and with the
    /// queues, which may have lost their ends.
    /// - Parameters:
    ///   - end: a queue's end; `nil`: there is no such queue.
    ///   - committed: a group's progress; `nil`: none.
    /// - Returns: what the groups' progress must be.
    mutating func settle(
        end: (PopQueueKey) -> Int64? = { _ in nil }, committed: (PopQueueKey) -> Int64?
    ) -> [(key: PopQueueKey, offset: Int64)] {
        free = queues.indices.filter { queues[$0] == nil }
        return numbers.values.sorted().compactMap { number in
            guard let key = queues[number]?.key else { return nil }
            // Others will lie where the lost ones lay: no handle of before may count for them.
            let end = end(key)
            if let end { cut(number, at: end) }
            let noted = committed(key).map { min($0, end ?? .max) } ?? -1
            return with(number) { queue in
                // Ours is never behind what was written down by us; what is further was set by somebody else.
                let progress = max(queue.base, noted)
                queue.next = max(queue.next, progress)
                queue.committed = progress
                return noted == progress && noted == committed(key) ? nil : (key, progress)
            }
        }
    }

    /// Stages the whole of some queues, as if they had come to be now.
    /// - Returns: where to go on; `nil` behind the last.
    mutating func stageState(from start: Int, spansMax: Int) -> Int? {
        if start == 0 {
            for (queue, offset) in adopted {
                PopRecord.adopted(reviveQueue: queue, offset: offset).append(to: &staged)
            }
        }
        var number = start
        var spans = 0
        while number < queues.count, spans < spansMax {
            defer { number += 1 }
            guard let queue = queues[number], queue.isJournaled else { continue }
            PopRecord.queue(number, queue.key, next: queue.next).append(to: &staged)
            stageSpans(number, queue)
            if let ordered = queue.ordered {
                PopRecord.ordered(number, ordered, next: queue.next).append(to: &staged)
            }
            spans += queue.spans.count + 1
        }
        return number < queues.count ? number : nil
    }

    private mutating func stageSpans(_ number: Int, _ queue: PopQueue) {
        var spans = queue.spans
        for entry in queue.unflushed {
            var span = spans[entry.span.key] ?? entry.span
            span.open |= entry.span.open
            spans[entry.span.key] = span
        }
        for span in spans.values.sorted(by: { $0.key.start < $1.key.start }) {
            PopRecord.span(number, span, next: queue.next).append(to: &staged)
        }
        for entry in queue.unflushed {
            PopRecord.revived(number, entry.span.key, entry.span.open, logEnd: entry.logEnd).append(to: &staged)
        }
    }
}
