import MQJSON
public import MQProtocol
public import RocketMQClient

extension Admin {
    static let retryPrefix = "%RETRY%"
    static let deadLetterPrefix = "%DLQ%"

    /// Makes a consumer group at the broker at `address`, or changes it.
    public func update(_ group: SubscriptionGroupConfig, at address: String) async throws(ClientError) {
        try await link.ask(RemotingCommand(.updateAndCreateSubscriptionGroup, body: group.encoded()), at: address)
    }

    /// The group's configuration at the broker at `address`; `nil` if it has none there.
    public func group(_ group: String, at address: String) async throws(ClientError) -> SubscriptionGroupConfig? {
        let answer = try await link.ask(RemotingCommand(.getAllSubscriptionGroupConfig), at: address)
        let table = try link.body(SubscriptionGroupWrapper.self, of: answer, from: address)
        return table.subscriptionGroupTable[group]
    }

    /// Removes a consumer group from the broker at `address`, with its progress if `cleanOffset` says so.
    public func deleteGroup(_ group: String, cleanOffset: Bool, at address: String) async throws(ClientError) {
        let fields: KeyValuePairs = ["groupName": group, "cleanOffset": String(cleanOffset)]
        try await link.ask(RemotingCommand(.deleteSubscriptionGroup, fields), at: address)
    }

    /// A group's progress at all brokers that have its retry topic; of one topic only if `topic` is given.
    /// - Throws: `topicNotFound` if the group never consumed.
    public func progress(of group: String, topic: String? = nil) async throws(ClientError) -> ConsumeStats {
        var all = ConsumeStats()
        for broker in try await link.route(of: Self.retryPrefix + group).brokerDatas {
            guard let address = broker.anyAddress else { continue }
            var request = RemotingCommand(.getConsumeStats, ["consumerGroup": group])
            request["topic"] = topic
            let answer = try await link.ask(request, at: address, timeout: .seconds(5))
            let part = try link.body(ConsumeStats.self, of: answer, from: address)
            all.offsetTable.merge(part.offsetTable) { $1 }
            all.consumeTps += part.consumeTps
        }
        return all
    }

    /// A group's members and subscriptions, as one broker knows them: the one at `address`, or any that has the group's
    /// retry topic.
    /// - Throws: `refused` with code 206 if no member is connected.
    public func consumers(of group: String, at address: String? = nil) async throws(ClientError) -> ConsumerConnection {
        let broker: String
        if let address { broker = address } else { broker = try await anyBroker(of: Self.retryPrefix + group) }
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

    /// The queues one member holds now, asked of the member itself through a broker.
    public func queues(ofClient clientID: String, group: String) async throws(ClientError) -> [MessageQueue] {
        let broker = try await anyBroker(of: Self.retryPrefix + group)
        let request = RemotingCommand(
            .getConsumerRunningInfo, ["consumerGroup": group, "clientId": clientID, "jstackEnable": "false"])
        let answer = try await link.ask(request, at: broker, timeout: .seconds(10))
        do throws(JSONError) {
            let table = try JSON(parsing: answer.body)["mqTable"].object ?? JSONObject()
            return table.compactMap { member in
                member.key.object.flatMap { try? MessageQueue(json: .object($0)) }  // a client's bad key is left out
            }
        } catch {
            throw .badAnswer(from: broker, "\(error)")
        }
    }
}
