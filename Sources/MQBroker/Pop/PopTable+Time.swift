/// What is over.
extension PopTable {
    /// A span whose time is over.
    struct Expired: Sendable {
        let queue: Int
        let key: PopQueueKey
        let span: PopSpan
    }

    /// Takes spans whose time is over, and queues whose ordered pop blocks no more. Acks of the spans count no more;
    /// each must be finished or postponed.
    mutating func takeExpired(now: Int64, countMax: Int) -> (spans: [Expired], freed: [PopQueueKey]) {
        var spans: [Expired] = []
        var freed: [PopQueueKey] = []
        while spans.count < countMax, let first = deadlines.first, first.deadline <= now {
            deadlines.removeFirst()
            guard let key = queues[first.queue]?.key else { continue }
            if first.key.start < 0 {
                guard queues[first.queue]?.freeAt == first.deadline else { continue }
                with(first.queue) { $0.freeAt = nil }
                freed.append(key)
            } else if let span = queues[first.queue]?.spans[first.key], span.deadline == first.deadline,
                !span.isExpired
            {
                with(first.queue) { $0.setExpired(first.key, true) }
                spans.append(Expired(queue: first.queue, key: key, span: span))
            }
        }
        return (spans, freed)
    }

    /// Messages of an expired span were put to the retry topic, before `logEnd`, or are gone.
    mutating func finish(_ expired: Expired, _ bits: UInt64, logEnd: Int64) {
        guard queues[expired.queue]?.key == expired.key, close(expired.queue, expired.span.key, bits) else { return }
        PopRecord.revived(expired.queue, expired.span.key, bits, logEnd: logEnd).append(to: &staged)
        guard logEnd > 0 else { return }
        var span = expired.span
        span.open = bits
        with(expired.queue) { $0.unflushed.append(PopQueue.Retried(span: span, logEnd: logEnd)) }
        unflushed.insert(expired.queue)
    }

    /// The log is on the disk up to `end`.
    mutating func flushed(to end: Int64) {
        for number in unflushed {
            let isEmpty = with(number) { queue in
                queue.unflushed.removeAll { $0.logEnd <= end }
                return queue.unflushed.isEmpty
            }
            if isEmpty { unflushed.remove(number) }
        }
    }

    /// An expired span could not be put to the retry topic; it is tried again at `deadline`.
    mutating func postpone(_ expired: Expired, to deadline: Int64) {
        guard queues[expired.queue]?.key == expired.key, queues[expired.queue]?.spans[expired.span.key] != nil else {
            return
        }
        with(expired.queue) { $0.setExpired(expired.span.key, false, deadline: deadline) }
        deadlines.insert(Deadline(deadline: deadline, queue: expired.queue, key: expired.span.key))
    }

    /// Drops deadlines of spans that are done, when they are the most.
    mutating func tidyDeadlines() {
        guard deadlines.count > 2 * spanCount + queues.count + 1024 else { return }
        let queues = queues
        deadlines.compact { entry in
            let due =
                entry.key.start < 0 ? queues[entry.queue]?.freeAt : queues[entry.queue]?.spans[entry.key]?.deadline
            return due == entry.deadline
        }
    }
}
