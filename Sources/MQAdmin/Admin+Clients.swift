public import MQJSON
public import MQProtocol
public import RocketMQClient

extension Admin {
    /// A group's members and subscriptions, as one broker knows them: the one at `address`, or any that has the group's
    /// retry topic.
    /// - Throws: `refused` with code 206 if no member is connected.
    public func consumers(of group: String, at address: String? = nil) async throws(ClientError) -> ConsumerConnection {
        let broker = try await self.broker(address, ofGroup: group)
        let answer = try await link.ask(
            RemotingCommand(.getConsumerConnectionList, ["consumerGroup": group]), at: broker)
        return try link.body(ConsumerConnection.self, of: answer, from: broker)
    }

    /// A producer group's members, as one broker of the topic knows them.
    public func producers(of group: String, topic: String) async throws(ClientError) -> ProducerConnection {
        let broker = try await anyBroker(of: topic)
        let answer = try await link.ask(
            RemotingCommand(.getProducerConnectionList, ["producerGroup": group]), at: broker)
        return try link.body(ProducerConnection.self, of: answer, from: broker)
    }

    /// All producers of the broker at `address`, by group.
    public func producers(at address: String) async throws(ClientError) -> ProducerTableInfo {
        let answer = try await link.ask(RemotingCommand(.getAllProducerInfo), at: address)
        return try link.body(ProducerTableInfo.self, of: answer, from: address)
    }

    /// What a member says of itself, asked through a broker: the one at `address`, or any of the group.
    public func runningInfo(
        ofClient clientID: String, group: String, withStacks: Bool = false, at address: String? = nil
    ) async throws(ClientError) -> RunningInfo {
        let broker = try await self.broker(address, ofGroup: group)
        let request = RemotingCommand(
            .getConsumerRunningInfo,
            ["consumerGroup": group, "clientId": clientID, "jstackEnable": String(withStacks)])
        let answer = try await link.ask(request, at: broker, timeout: .seconds(15))
        return RunningInfo(json: try json(in: answer, from: broker))
    }

    private func broker(_ address: String?, ofGroup group: String) async throws(ClientError) -> String {
        if let address { return address }
        return try await anyBroker(of: Self.retryPrefix + group)
    }

    private func json(in answer: RemotingCommand, from address: String) throws(ClientError) -> JSON {
        do throws(JSONError) {
            return try JSON(parsing: answer.body)
        } catch {
            throw .badAnswer(from: address, "\(error)")
        }
    }

    /// The queues one member holds now, asked of the member itself through a broker.
    public func queues(ofClient clientID: String, group: String) async throws(ClientError) -> [MessageQueue] {
        try await runningInfo(ofClient: clientID, group: group).queues.map(\.queue)
    }

    /// Has a member consume a stored message now, through the broker that holds it.
    /// - Returns: what it says about it.
    public func consumeDirectly(
        offsetID: String, topic: String, group: String, clientID: String, at address: String
    ) async throws(ClientError) -> JSON {
        let request = RemotingCommand(
            .consumeMessageDirectly,
            ["consumerGroup": group, "clientId": clientID, "msgId": offsetID, "topic": topic])
        return try json(in: try await link.ask(request, at: address, timeout: .seconds(15)), from: address)
    }
}
