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
        try await groups(at: address).subscriptionGroupTable[group]
    }

    /// Makes groups at the broker at `address`, or changes them: all, or none if one is refused.
    public func update(_ groups: [SubscriptionGroupConfig], at address: String) async throws(ClientError) {
        let body = SubscriptionGroupList(groups: groups).encoded()
        try await link.ask(
            RemotingCommand(.updateAndCreateSubscriptionGroupList, body: body), at: address, timeout: .seconds(15))
    }

    /// All groups of the broker at `address`.
    public func groups(at address: String) async throws(ClientError) -> SubscriptionGroupWrapper {
        let answer = try await link.ask(
            RemotingCommand(.getAllSubscriptionGroupConfig), at: address, timeout: .seconds(10))
        return try link.body(SubscriptionGroupWrapper.self, of: answer, from: address)
    }

    /// Says at the broker at `address` how a group takes a topic: `PULL` or `POP`.
    /// - Parameter shareCount: members that share one queue in pop mode; 0 for all.
    public func setRequestMode(
        _ mode: String, of group: String, topic: String, shareCount: Int, at address: String
    ) async throws(ClientError) {
        let body: JSON = [
            "consumerGroup": .string(group), "mode": .string(mode), "popShareQueueNum": JSON(shareCount),
            "topic": .string(topic),
        ]
        try await link.ask(
            RemotingCommand(.setMessageRequestMode, body: body.encoded()), at: address, timeout: .seconds(5))
    }

    /// Removes a consumer group from the broker at `address`, with its progress if `cleanOffset` says so.
    public func deleteGroup(_ group: String, cleanOffset: Bool, at address: String) async throws(ClientError) {
        let fields: KeyValuePairs = ["groupName": group, "cleanOffset": String(cleanOffset)]
        try await link.ask(RemotingCommand(.deleteSubscriptionGroup, fields), at: address)
    }

    /// A group's progress at all brokers that have its retry topic; of one topic only if `topic` is given.
    /// A group without one, which only ever committed, is looked for at the topic's brokers.
    /// - Parameter cluster: whose route leads to a light queue.
    /// - Throws: `topicNotFound` if the group never consumed.
    public func progress(
        of group: String, topic: String? = nil, via cluster: String? = nil
    ) async throws(ClientError) -> ConsumeStats {
        var all = ConsumeStats()
        for broker in try await route(ofGroup: group, topic, cluster).brokerDatas {
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

    private func route(
        ofGroup group: String, _ topic: String?, _ cluster: String?
    ) async throws(ClientError) -> TopicRouteData {
        do throws(ClientError) {
            return try await link.route(of: Self.retryPrefix + group)
        } catch {
            guard case .topicNotFound = error, let topic else { throw error }
            return try await route(of: topic, via: cluster)
        }
    }
}
