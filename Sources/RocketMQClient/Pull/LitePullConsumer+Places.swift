public import MQProtocol

/// Where it is in its queues, and moving it.
extension LitePullConsumer {
    /// Goes on at `offset` of a queue; what was fetched of it and not polled is dropped.
    /// - Throws: `invalid` if the queue is not this consumer's, or has no such offset.
    public func seek(_ queue: MessageQueue, to offset: Int64) async throws(ClientError) {
        let wrapped = try requireAssigned(queue)
        let (first, end) = (try await link.minOffset(of: wrapped), try await link.maxOffset(of: wrapped))
        guard (first...max(first, end)).contains(offset) else {
            throw .invalid("Seek offset illegal, seek offset = \(offset), min offset = \(first), max offset = \(end)")
        }
        _ = try requireAssigned(queue)
        jump(wrapped, to: offset)
    }

    /// Goes on at the queue's first message.
    public func seekToBegin(_ queue: MessageQueue) async throws(ClientError) {
        let wrapped = try requireAssigned(queue)
        let first = try await link.minOffset(of: wrapped)
        _ = try requireAssigned(queue)
        jump(wrapped, to: first)
    }

    /// Goes on behind the queue's last message.
    public func seekToEnd(_ queue: MessageQueue) async throws(ClientError) {
        let wrapped = try requireAssigned(queue)
        let end = try await link.maxOffset(of: wrapped)
        _ = try requireAssigned(queue)
        jump(wrapped, to: end)
    }

    private func requireAssigned(_ queue: MessageQueue) throws(ClientError) -> MessageQueue {
        let wrapped = wrap(queue)
        guard feeds[wrapped] != nil else {
            throw .invalid(
                "The message queue is not in assigned list, may be rebalancing, message queue: \(queue.text)")
        }
        return wrapped
    }

    /// An administrator's order (220): goes on at `offsets` with those of its queues that are named.
    func reset(_ topic: String, to offsets: [MessageQueue: Int64]) async {
        for (queue, offset) in offsets where queue.topic == topic && offset >= 0 && feeds[queue] != nil {
            jump(queue, to: offset)
        }
        if options.commitsItself { await commitDone() }
    }

    private func jump(_ queue: MessageQueue, to offset: Int64) {
        feeds[queue]?.cancel()  // it may wait at the broker for a long time yet
        pulled.seek(queue, to: offset)
        committed[queue] = nil
        feed(queue)
    }

    /// Hands nothing out of these queues, and fetches nothing more, until they are resumed.
    public func pause(_ queues: [MessageQueue]) { pulled.setPaused(true, queues.map(wrap)) }

    /// Goes on with these queues.
    public func resume(_ queues: [MessageQueue]) { pulled.setPaused(false, queues.map(wrap)) }

    /// How far the group has come in a queue, as committed; `nil` if it never began.
    public func committed(_ queue: MessageQueue) async throws(ClientError) -> Int64? {
        if let offsets { return offsets.load(wrap(queue)) }
        return try await link.consumerOffset(of: group, in: wrap(queue), at: try await address(wrap(queue)))
    }

    /// The first offset stored at or after `timestamp`, milliseconds since 1970.
    public func offset(in queue: MessageQueue, storedAt timestamp: Int64) async throws(ClientError) -> Int64 {
        try await link.offset(in: wrap(queue), storedAt: timestamp, at: try await address(wrap(queue)))
    }

    /// Commits all that was polled so far, also by the last poll.
    public func commit() async throws(ClientError) { try await commit(pulled.progress(all: true)) }

    func commitDone() async {
        do throws(ClientError) {
            try await commit(pulled.progress(all: false))
        } catch {
            note(error)  // the next one carries it
        }
    }

    func commit(_ progress: [MessageQueue: Int64]) async throws(ClientError) {
        if let offsets { return offsets.save(progress) }
        for (queue, offset) in progress where committed[queue] != offset {
            try await link.commit(offset, of: group, in: queue, at: try await address(queue))
            committed[queue] = offset
        }
    }

    func address(_ queue: MessageQueue) async throws(ClientError) -> String {
        if let address = await link.brokerAddress(queue.brokerName, orAny: true) { return address }
        _ = try await link.route(of: queue.topic)
        guard let address = await link.brokerAddress(queue.brokerName, orAny: true) else {
            throw .brokerNotFound(queue.brokerName)
        }
        return address
    }
}

extension ClusterLink {
    fileprivate func minOffset(of queue: MessageQueue) async throws(ClientError) -> Int64 {
        try await minOffset(of: queue, at: try await address(of: queue))
    }

    fileprivate func maxOffset(of queue: MessageQueue) async throws(ClientError) -> Int64 {
        try await maxOffset(of: queue, at: try await address(of: queue))
    }

    private func address(of queue: MessageQueue) async throws(ClientError) -> String {
        guard let address = await brokerAddress(queue.brokerName) else { throw .brokerNotFound(queue.brokerName) }
        return address
    }
}
