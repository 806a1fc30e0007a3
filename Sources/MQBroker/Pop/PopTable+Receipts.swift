/// What consumers tell of popped messages.
extension PopTable {
    /// Takes an ack.
    /// - Returns: whether the message was on its way by this handle.
    mutating func ack(_ key: PopQueueKey, _ span: PopSpan.Key, offset: Int64) -> Bool {
        guard let number = numbers[key], let known = queues[number]?.spans[span], !known.isExpired,
            let index = known.index(of: offset), close(number, span, 1 << UInt64(index))
        else { return false }
        PopRecord.ack(number, span, 1 << UInt64(index)).append(to: &staged)
        return true
    }

    /// Takes acks of those messages of a span that `isAcked` picks by their offsets. Costs what the span holds, however
    /// many a consumer names.
    mutating func ack(_ key: PopQueueKey, _ span: PopSpan.Key, where isAcked: (Int64) -> Bool) {
        guard let number = numbers[key], let known = queues[number]?.spans[span], !known.isExpired else { return }
        var bits: UInt64 = 0
        for (index, offset) in known.openOffsets where isAcked(offset) { bits |= 1 << UInt64(index) }
        guard bits != 0, close(number, span, bits) else { return }
        PopRecord.ack(number, span, bits).append(to: &staged)
    }

    /// Whether a message of the span may have a new invisible time: that takes a span of its own.
    func hasRoom(toChange key: PopQueueKey, _ span: PopSpan.Key) -> Bool {
        if spanCount < 2 * limits.spansMax { return true }
        let open = numbers[key].flatMap { queues[$0]?.spans[span]?.open } ?? 0
        return open.nonzeroBitCount < 2
    }

    /// Gives one message of a span a new invisible time and so a handle of its own.
    /// - Returns: the new handle's pop time; `nil` if the message was not on its way by this handle.
    mutating func change(
        _ key: PopQueueKey, _ span: PopSpan.Key, offset: Int64, now: Int64, invisibleTime: Int64
    ) -> Int64? {
        guard let number = numbers[key], let known = queues[number]?.spans[span], !known.isExpired,
            let index = known.index(of: offset), close(number, span, 1 << UInt64(index))
        else { return nil }
        // Later than the old one, whatever the clock says: the old handle must not work any more.
        var fresh = PopSpan.Key(start: offset, popTime: max(now, span.popTime + 1))
        while queues[number]?.spans[fresh] != nil { fresh.popTime += 1 }
        PopRecord.ack(number, span, 1 << UInt64(index)).append(to: &staged)
        let changed = PopSpan(
            fresh, distances: [], count: 1, deadline: OrderedPop.sum(fresh.popTime, max(0, invisibleTime)), open: 1)
        add(number, changed, next: queues[number]?.next ?? 0)
        return fresh.popTime
    }

    /// Takes the ack of a message of an ordered pop.
    /// - Returns: what came of it; `nil` for a queue that has no ordered pop: then it changes nothing.
    mutating func ackOrdered(_ key: PopQueueKey, popTime: Int64, offset: Int64) -> OrderedPop.Ack? {
        guard let number = numbers[key], queues[number]?.ordered != nil else { return nil }
        let outcome = with(number) { queue -> OrderedPop.Ack in
            let outcome = queue.ordered?.ack(offset, popTime: popTime) ?? .otherPop
            if case .next(let next) = outcome { queue.next = max(queue.next, next) }
            return outcome
        }
        if case .next = outcome { stageOrdered(number) }
        return outcome
    }

    /// Sets when a message of an ordered pop may come again.
    mutating func changeOrdered(_ key: PopQueueKey, popTime: Int64, offset: Int64, visibleAt: Int64) -> Bool {
        guard let number = numbers[key], queues[number]?.ordered != nil else { return false }
        let isKnown = with(number) { queue in
            queue.ordered?.change(offset, popTime: popTime, visibleAt: visibleAt) ?? false
        }
        if isKnown { stageOrdered(number) }
        return isKnown
    }
}
