import MQBase
public import MQProtocol
import MQSystem

extension ClusterLink {
    /// How far `group` has come in `queue`: the next offset it will consume. `nil` if it never began.
    public func consumerOffset(
        of group: String, in queue: MessageQueue, at address: String
    ) async throws(ClientError) -> Int64? {
        let request = RemotingCommand(
            .queryConsumerOffset,
            [
                "consumerGroup": group, "topic": queue.topic, "queueId": String(queue.queueID),
                "bname": queue.brokerName,
            ])
        let answer = try await answer(to: request, at: address)
        if answer.responseCode == .queryNotFound { return nil }
        return try offset(in: answer, from: address)
    }

    /// Says how far `group` has come, without waiting for an answer: `offset` is the next one it will consume. For programs
    /// that pull themselves; consumers commit by themselves.
    public func commit(
        _ offset: Int64, of group: String, in queue: MessageQueue, at address: String
    ) async throws(ClientError) {
        let request = RemotingCommand(
            .updateConsumerOffset,
            [
                "consumerGroup": group, "topic": queue.topic, "queueId": String(queue.queueID),
                "commitOffset": String(offset), "bname": queue.brokerName,
            ])
        try await tell(request, to: address)
    }

    /// The offset of the queue's next message.
    public func maxOffset(of queue: MessageQueue, at address: String) async throws(ClientError) -> Int64 {
        try await queueOffset(.getMaxOffset, queue, address)
    }

    /// The smallest offset that can be read.
    public func minOffset(of queue: MessageQueue, at address: String) async throws(ClientError) -> Int64 {
        try await queueOffset(.getMinOffset, queue, address)
    }

    /// The first offset stored at or after `timestamp`, milliseconds since 1970.
    public func offset(
        in queue: MessageQueue, storedAt timestamp: Int64, at address: String
    ) async throws(ClientError) -> Int64 {
        try await queueOffset(.searchOffsetByTimestamp, queue, address, timestamp: timestamp)
    }

    /// Where a group begins in `queue` that has no progress there.
    /// - Parameter timestamp: for ``ConsumeFromWhere/timestamp``, milliseconds since 1970; `nil` is half an hour ago.
    func beginning(
        of queue: MessageQueue, from place: ConsumeFromWhere, timestamp: Int64?, at address: String
    ) async throws(ClientError) -> Int64 {
        switch place {
        case .firstOffset: return 0
        case .timestamp:
            let timestamp = timestamp ?? SystemClock.wall().rawValue - 30 * 60 * 1000
            return try await offset(in: queue, storedAt: timestamp, at: address)
        case .lastOffset, .lastOffsetAndFromMinWhenBootFirst, .minOffset, .maxOffset:
            return try await maxOffset(of: queue, at: address)
        }
    }

    private func queueOffset(
        _ code: RequestCode, _ queue: MessageQueue, _ address: String, timestamp: Int64? = nil
    ) async throws(ClientError) -> Int64 {
        var request = RemotingCommand(
            code, ["topic": queue.topic, "queueId": String(queue.queueID), "bname": queue.brokerName])
        if let timestamp {
            request["timestamp"] = String(timestamp)
            request["boundaryType"] = "LOWER"
        }
        return try offset(in: try await answer(to: request, at: address), from: address)
    }

    private func offset(in answer: RemotingCommand, from address: String) throws(ClientError) -> Int64 {
        guard answer.responseCode == .success else {
            throw .refused(by: address, code: answer.code, remark: answer.remark ?? "no reason given")
        }
        guard let offset = answer.int64("offset") else { throw .badAnswer(from: address, "an answer without offset") }
        return offset
    }
}
