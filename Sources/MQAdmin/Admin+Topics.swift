public import MQProtocol
public import RocketMQClient

extension Admin {
    /// All topics the name server knows.
    public func topics() async throws(ClientError) -> [String] {
        let answer = try await askNameServer(RemotingCommand(.getAllTopicListFromNameServer))
        return try link.body(TopicList.self, of: answer, from: "name server").topicList
    }

    /// The topics of a cluster.
    public func topics(ofCluster cluster: String) async throws(ClientError) -> [String] {
        let answer = try await askNameServer(RemotingCommand(.getTopicsByCluster, ["cluster": cluster]))
        return try link.body(TopicList.self, of: answer, from: "name server").topicList
    }

    /// The groups that have progress in a topic, or subscribe to it now.
    public func groups(consuming topic: String) async throws(ClientError) -> [String] {
        let address = try await anyBroker(of: topic)
        let answer = try await link.ask(RemotingCommand(.queryTopicConsumeByWho, ["topic": topic]), at: address)
        return try link.body(GroupList.self, of: answer, from: address).groupList
    }

    /// The ends of a topic's queues at all its brokers, and the messages a second that come in.
    /// - Parameter cluster: whose route leads to a light queue.
    public func stats(ofTopic topic: String, via cluster: String? = nil) async throws(ClientError) -> TopicStatsTable {
        var all = TopicStatsTable(topicPutTps: 0)
        for broker in try await route(of: topic, via: cluster).brokerDatas {
            guard let address = broker.anyAddress else { continue }
            let answer = try await link.ask(
                RemotingCommand(.getTopicStatsInfo, ["topic": topic]), at: address, timeout: .seconds(5))
            let part = try link.body(TopicStatsTable.self, of: answer, from: address)
            all.offsetTable.merge(part.offsetTable) { $1 }
            all.topicPutTps = (all.topicPutTps ?? 0) + (part.topicPutTps ?? 0)
        }
        return all
    }

    /// Makes a topic at the broker at `address`, or changes it.
    public func update(_ topic: TopicConfig, attributes: String = "", at address: String) async throws(ClientError) {
        let request = RemotingCommand(
            .updateAndCreateTopic,
            [
                "topic": topic.topicName, "defaultTopic": "TBW102", "readQueueNums": String(topic.readQueueNums),
                "writeQueueNums": String(topic.writeQueueNums), "perm": String(topic.perm.rawValue),
                "topicFilterType": topic.topicFilterType, "topicSysFlag": String(topic.topicSysFlag),
                "order": String(topic.order), "attributes": attributes, "force": "false",
            ])
        try await link.ask(request, at: address, timeout: .seconds(5))
    }

    /// Makes topics at the broker at `address`, or changes them: all, or none if one is refused.
    public func update(_ topics: [TopicConfig], at address: String) async throws(ClientError) {
        let body = CreateTopicListRequestBody(topics: topics).encoded()
        try await link.ask(RemotingCommand(.updateAndCreateTopicList, body: body), at: address, timeout: .seconds(15))
    }

    /// All topics of the broker at `address`.
    public func topicConfigs(at address: String) async throws(ClientError) -> TopicConfigSerializeWrapper {
        let answer = try await link.ask(RemotingCommand(.getAllTopicConfig), at: address, timeout: .seconds(10))
        return try link.body(TopicConfigSerializeWrapper.self, of: answer, from: address)
    }

    /// Names of the topics that the broker at `address` made for itself.
    public func systemTopics(at address: String) async throws(ClientError) -> [String] {
        let answer = try await link.ask(RemotingCommand(.getSystemTopicListFromBroker), at: address)
        return try link.body(TopicList.self, of: answer, from: address).topicList
    }

    /// Waits, at most a second, until a name server gives the topic's new route: brokers tell them soon, not at once, and
    /// whoever made a topic wants to use it.
    func waitForRoute(of topic: TopicConfig, at addresses: [String]) async {
        for _ in 0..<20 {
            let route: TopicRouteData?
            do throws(ClientError) {
                route = try await link.fetchRoute(of: topic.topicName)
            } catch {
                return  // the topic is made all the same, and its route comes with the next registration
            }
            let isKnown = addresses.allSatisfy { address in
                let names =
                    route?.brokerDatas.filter { $0.brokerAddrs.values.contains(address) }.map(\.brokerName) ?? []
                return route?.queueDatas.contains { queue in
                    names.contains(queue.brokerName) && queue.writeQueueNums == topic.writeQueueNums
                        && queue.readQueueNums == topic.readQueueNums && queue.perm == topic.perm
                } ?? false
            }
            if isKnown { return }
            do { try await Task.sleep(for: .milliseconds(50)) } catch { return }
        }
    }

    /// Says at all name servers that a topic's queues are in a fixed order: `broker-a:8;broker-b:8`.
    public func setOrder(_ order: String, ofTopic topic: String) async throws(ClientError) {
        try await askAllNameServers(
            RemotingCommand(.putKVConfig, ["namespace": "ORDER_TOPIC_CONFIG", "key": topic, "value": order]))
    }

    /// Removes a topic from the brokers at `addresses`.
    public func deleteTopic(_ topic: String, atBrokers addresses: [String]) async throws(ClientError) {
        for address in addresses {
            try await link.ask(
                RemotingCommand(.deleteTopicInBroker, ["topic": topic]), at: address, timeout: .seconds(10))
        }
    }

    /// Removes a topic of a cluster from all name servers, with its order.
    public func deleteTopic(_ topic: String, atNameServersFor cluster: String) async throws(ClientError) {
        try await askAllNameServers(
            RemotingCommand(.deleteTopicInNameServer, ["topic": topic, "clusterName": cluster]))
        for address in try nameServers {
            // A topic without an order has no such entry: whatever the answer is, it is gone afterwards.
            _ = try await link.answer(
                to: RemotingCommand(.deleteKVConfig, ["namespace": "ORDER_TOPIC_CONFIG", "key": topic]), at: address)
        }
    }
}
