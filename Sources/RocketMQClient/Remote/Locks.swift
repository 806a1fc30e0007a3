import MQProtocol

extension ClusterLink {
    /// Asks the broker at `address` for queues alone, or to keep those the client has.
    /// - Returns: the queues the client holds now, for the broker's 60 seconds.
    func lock(
        _ queues: [MessageQueue], of group: String, at address: String
    ) async throws(ClientError) -> [MessageQueue] {
        let body = LockBatchRequestBody(consumerGroup: group, clientID: clientID, mqSet: queues)
        let answer = try await ask(RemotingCommand(.lockBatchMQ, body: body.encoded()), at: address)
        return try self.body(LockBatchResponseBody.self, of: answer, from: address).lockOKMQSet
    }

    /// Gives queues back, without waiting for an answer.
    func unlock(_ queues: [MessageQueue], of group: String, at address: String) async throws(ClientError) {
        let body = LockBatchRequestBody(consumerGroup: group, clientID: clientID, mqSet: queues)
        try await tell(RemotingCommand(.unlockBatchMQ, body: body.encoded()), to: address)
    }
}
