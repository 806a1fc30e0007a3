import MQBase
import MQJSON
import MQProtocol

extension RouteTable {
    /// A broker process that went.
    struct Departure: Equatable, Sendable {
        let cluster: String
        let brokerName: String
        let address: String
    }

    /// A broker says goodbye: `UNREGISTER_BROKER` (104).
    mutating func unregister(cluster: String, brokerName: String, address: String) {
        let key = BrokerKey(cluster: cluster, address: address)
        if live[key]?.brokerName == brokerName { forgetLive(key) }
        guard var broker = brokers[brokerName] else { return }
        let before = broker.brokerAddrs.count
        broker.brokerAddrs = broker.brokerAddrs.filter { $0.value != address }
        guard broker.brokerAddrs.count != before else { return }
        version &+= 1
        guard broker.brokerAddrs.isEmpty else {
            brokers[brokerName] = broker
            // A master that goes takes the right to write with it, where a slave acts for it.
            if broker.enableActingMaster, broker.brokerAddrs[0] == nil {
                changePermissions(of: brokerName) { $0.subtracting(.write) }
            }
            return
        }
        brokers[brokerName] = nil
        for (cluster, names) in clusters where names.contains(brokerName) {
            clusters[cluster] = names.count == 1 ? nil : names.subtracting([brokerName])
        }
        for topic in topicNames(of: brokerName) { removeQueues(of: topic, at: brokerName) }
    }

    /// A channel is gone, and with it the brokers whose last registration came over it.
    mutating func channelClosed(_ channel: ChannelID) -> [Departure] {
        guard let keys = channels[channel] else { return [] }
        return keys.compactMap { remove($0) }
    }

    /// Takes the brokers for dead that have been silent too long.
    /// - Returns: who went, and the channels that no living broker uses any more: close them.
    mutating func expire(at now: Instant) -> (gone: [Departure], channels: [ChannelID]) {
        let silent = live.filter { $0.value.deadline < now }
        var gone: [Departure] = []
        for key in silent.keys {
            if let departure = remove(key) { gone.append(departure) }
        }
        return (gone, Set(silent.values.map(\.channel)).filter { channels[$0] == nil }.sorted())
    }

    private mutating func remove(_ key: BrokerKey) -> Departure? {
        guard let broker = live[key] else { return nil }
        unregister(cluster: key.cluster, brokerName: broker.brokerName, address: key.address)
        return Departure(cluster: key.cluster, brokerName: broker.brokerName, address: key.address)
    }

    mutating func forgetLive(_ key: BrokerKey) {
        guard let broker = live.removeValue(forKey: key) else { return }
        leaveChannel(key, broker.channel)
    }

    mutating func leaveChannel(_ key: BrokerKey, _ channel: ChannelID) {
        channels[channel]?.remove(key)
        if channels[channel]?.isEmpty == true { channels[channel] = nil }
    }

    // MARK: - Topics

    /// Takes the right to write from all topics of a broker: `WIPE_WRITE_PERM_OF_BROKER` (205). Lost with the next
    /// registration of changed topics, as in RocketMQ.
    /// - Returns: topics the broker has.
    mutating func wipeWritePermission(of brokerName: String) -> Int {
        changePermissions(of: brokerName) { $0.subtracting(.write) }
    }

    /// Gives the right to read and write to all topics of a broker: `ADD_WRITE_PERM_OF_BROKER` (327).
    /// - Returns: topics the broker has.
    mutating func addWritePermission(of brokerName: String) -> Int {
        changePermissions(of: brokerName) { _ in [.read, .write] }
    }

    @discardableResult
    private mutating func changePermissions(
        of brokerName: String, _ change: (TopicPermission) -> TopicPermission
    ) -> Int {
        let names = topicNames(of: brokerName)
        for topic in names {
            guard let perm = topics[topic]?[brokerName]?.perm else { continue }
            topics[topic]?[brokerName]?.perm = change(perm)
        }
        version &+= 1
        return names.count
    }

    /// Forgets a topic, in one cluster or (`nil`) everywhere: `DELETE_TOPIC_IN_NAMESRV` (216).
    mutating func deleteTopic(_ topic: String, cluster: String?) {
        guard let queues = topics[topic] else { return }
        let names = cluster.map { clusters[$0] ?? [] } ?? Set(queues.keys)
        for name in names { removeQueues(of: topic, at: name) }
    }

    /// Enters queues of a topic at brokers that are known: `REGISTER_TOPIC_IN_NAMESRV` (217). Stops at the first broker
    /// that is not, as RocketMQ does.
    /// - Throws: ``RouteRefusal``.
    mutating func registerTopic(_ topic: String, _ queueDatas: [QueueData]) throws(RouteRefusal) {
        try Self.checkName(topic, "topic")
        for queueData in queueDatas {
            guard brokers[queueData.brokerName] != nil else { return }
            guard topics[topic] != nil || topics.count < Limit.topics else {
                throw .tooMany("topics", limit: Limit.topics)
            }
            guard queueDataCount < Limit.queueDatas else {
                throw .tooMany("topics times brokers", limit: Limit.queueDatas)
            }
            setQueues(queueData, of: topic)
        }
    }

    func topicNames(of brokerName: String) -> [String] {
        topics.compactMap { $0.value[brokerName] == nil ? nil : $0.key }
    }

    mutating func setQueues(_ queueData: QueueData, of topic: String) {
        let before = topics[topic, default: [:]].updateValue(queueData, forKey: queueData.brokerName)
        if before == nil { queueDataCount += 1 }
        if before != queueData { version &+= 1 }
    }

    mutating func removeQueues(of topic: String, at brokerName: String) {
        guard topics[topic]?.removeValue(forKey: brokerName) != nil else { return }
        queueDataCount -= 1
        version &+= 1
        mappings[topic]?[brokerName] = nil
        guard topics[topic]?.isEmpty == true else { return }
        topics[topic] = nil
        mappings[topic] = nil
    }
}
