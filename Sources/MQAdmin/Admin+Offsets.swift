public import MQProtocol
public import RocketMQClient

extension Admin {
    /// Has every broker of the topic set a group's progress to a moment.
    /// - Parameters:
    ///   - timestamp: milliseconds since 1970; -1 for the end.
    ///   - force: forwards too; else only backwards.
    ///   - cluster: whose route leads to a light queue.
    /// - Returns: queue → where the group stands now.
    /// - Throws: `refused` with code 206 if the broker wants a member of the group and none is there.
    public func resetOffsets(
        of group: String, topic: String, to timestamp: Int64, force: Bool, via cluster: String? = nil
    ) async throws(ClientError) -> [MessageQueue: Int64] {
        var all: [MessageQueue: Int64] = [:]
        for broker in try await route(of: topic, via: cluster).brokerDatas {
            guard let address = broker.anyAddress else { continue }
            let request = RemotingCommand(
                .invokeBrokerToResetOffset,
                [
                    "topic": topic, "group": group, "timestamp": String(timestamp), "isForce": String(force),
                    "queueId": "-1",
                ])
            let answer = try await link.ask(request, at: address, timeout: .seconds(10))
            guard !answer.body.isEmpty else { continue }  // 4.x brokers that had nothing to move
            all.merge(try link.body(ResetOffsetBody.self, of: answer, from: address).offsetTable) { $1 }
        }
        return all
    }

    /// Has the broker at `address` set a group's progress in one queue.
    public func resetOffset(
        of group: String, topic: String, queueID: Int, to offset: Int64, at address: String
    ) async throws(ClientError) {
        let request = RemotingCommand(
            .invokeBrokerToResetOffset,
            [
                "topic": topic, "group": group, "queueId": String(queueID), "offset": String(offset),
                "timestamp": "-1", "isForce": "true",
            ])
        try await link.ask(request, at: address, timeout: .seconds(10))
    }

    /// What became of one queue's progress.
    public struct Rollback: Equatable, Sendable {
        /// The queue.
        public let queue: MessageQueue
        /// Its end.
        public let brokerOffset: Int64
        /// Where the group stood.
        public let consumerOffset: Int64
        /// The first message of the wanted moment.
        public let timestampOffset: Int64
        /// Where the group stands now.
        public let resetOffset: Int64
    }

    /// Sets a group's progress by itself, queue by queue: for a group without members at a broker that wants some.
    public func rollBack(
        _ group: String, topic: String, to timestamp: Int64, force: Bool, via cluster: String? = nil
    ) async throws(ClientError) -> [Rollback] {
        var all: [Rollback] = []
        for (queue, address) in try await readableQueues(of: topic, via: cluster) {
            let end = try await link.maxOffset(of: queue, at: address)
            let wanted =
                timestamp == -1 ? end : try await link.offset(in: queue, storedAt: timestamp, at: address)
            let present = try await link.consumerOffset(of: group, in: queue, at: address) ?? 0
            let isMoved = force || wanted <= present
            if isMoved { try await setOffset(wanted, of: group, in: queue, at: address) }
            all.append(
                Rollback(
                    queue: queue, brokerOffset: end, consumerOffset: present, timestampOffset: wanted,
                    resetOffset: isMoved ? wanted : present))
        }
        return all
    }

    /// A topic's readable queues with their brokers' addresses, in order.
    public func readableQueues(
        of topic: String, via cluster: String? = nil
    ) async throws(ClientError) -> [(queue: MessageQueue, address: String)] {
        let route = try await route(of: topic, via: cluster)
        var queues: [(queue: MessageQueue, address: String)] = []
        for data in route.queueDatas where data.perm.contains(.read) {
            guard let address = route.brokerDatas.first(where: { $0.brokerName == data.brokerName })?.anyAddress else {
                continue
            }
            let count = Self.isLight(topic) ? 1 : max(0, min(data.readQueueNums, 65_536))
            for queueID in 0..<count {
                queues.append((MessageQueue(topic: topic, brokerName: data.brokerName, queueID: queueID), address))
            }
        }
        return queues.sorted { $0.queue < $1.queue }
    }

    /// Sets a group's progress in one queue.
    public func setOffset(
        _ offset: Int64, of group: String, in queue: MessageQueue, at address: String
    ) async throws(ClientError) {
        try await link.ask(
            RemotingCommand(
                .updateConsumerOffset,
                [
                    "consumerGroup": group, "topic": queue.topic, "queueId": String(queue.queueID),
                    "commitOffset": String(offset), "bname": queue.brokerName,
                ]), at: address)
    }

    /// Gives one group the progress of another in a topic.
    /// - Returns: how many queues.
    @discardableResult
    public func cloneOffsets(
        from source: String, to destination: String, topic: String
    ) async throws(ClientError) -> Int {
        let brokers = try await link.route(of: topic).brokerDatas
        var count = 0
        let all = try await progress(of: source).offsetTable.sorted { $0.key < $1.key }
        for (queue, progress) in all where queue.topic == topic {
            guard let address = brokers.first(where: { $0.brokerName == queue.brokerName })?.anyAddress else {
                continue
            }
            try await setOffset(progress.consumerOffset, of: destination, in: queue, at: address)
            count += 1
        }
        return count
    }
}
