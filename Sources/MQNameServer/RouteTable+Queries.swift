import MQProtocol

extension RouteTable {
    /// Topics of brokers about themselves, which never get an acting master.
    private static let memberGroupPrefix = "rmq_sys_SYNC_BROKER_MEMBER_"

    /// Where `topic` is; `nil` if no known broker has it. Brokers come in the order of their names.
    func route(of topic: String) -> TopicRouteData? {
        guard let queues = topics[topic] else { return nil }
        let names = queues.keys.sorted()
        var found = names.compactMap { brokers[$0] }
        guard !found.isEmpty else { return nil }
        if rules.supportsActingMaster, !topic.hasPrefix(Self.memberGroupPrefix) {
            found = found.map { withActingMaster($0, queues) }
        }
        var route = TopicRouteData(brokerDatas: found, queueDatas: names.compactMap { queues[$0] })
        route.topicQueueMappingByBroker = mappings[topic]
        return route
    }

    /// Where the master is gone and may not be written to, its first slave appears in its place.
    private func withActingMaster(_ broker: BrokerData, _ queues: [String: QueueData]) -> BrokerData {
        guard broker.enableActingMaster, broker.brokerAddrs[0] == nil, let least = broker.brokerAddrs.keys.min(),
            let perm = queues[broker.brokerName]?.perm, !perm.contains(.write)
        else { return broker }
        var broker = broker
        broker.brokerAddrs[0] = broker.brokerAddrs.removeValue(forKey: least)
        return broker
    }

    /// All brokers of all clusters.
    var clusterInfo: ClusterInfo {
        ClusterInfo(brokerAddrTable: brokers, clusterAddrTable: clusters.mapValues { $0.sorted() })
    }

    /// The addresses under one broker name, by id; none if it is not known.
    func addresses(of brokerName: String) -> [Int64: String] { brokers[brokerName]?.brokerAddrs ?? [:] }

    /// All topics, sorted.
    var allTopics: [String] { topics.keys.sorted() }

    /// The topics that brokers of `cluster` have, sorted.
    func topics(inCluster cluster: String) -> [String] {
        guard let names = clusters[cluster] else { return [] }
        return topics.filter { entry in entry.value.keys.contains { names.contains($0) } }.map(\.key).sorted()
    }

    /// Names of clusters and brokers, which are topics as well, and an address to ask for more.
    var systemTopics: TopicList {
        let names = clusters.sorted { $0.key < $1.key }.flatMap { [$0.key] + $0.value.sorted() }
        let first = brokers.min { $0.key < $1.key }?.value.brokerAddrs.min { $0.key < $1.key }?.value
        return TopicList(topicList: names, brokerAddr: first)
    }

    /// Bits of `topicSysFlag`. Source: `TopicSysFlag.java`.
    struct UnitFlags: OptionSet, Sendable {
        let rawValue: Int
        init(rawValue: Int) { self.rawValue = rawValue }
        /// A unit's own topic.
        static let unit = UnitFlags(rawValue: 1)
        /// A topic that units subscribe to.
        static let unitSubscription = UnitFlags(rawValue: 2)
    }

    /// The topics whose flags at their first broker satisfy `isWanted`, sorted.
    func topics(where isWanted: (UnitFlags) -> Bool) -> [String] {
        topics.filter { entry in
            guard let first = entry.value.min(by: { $0.key < $1.key })?.value else { return false }
            return isWanted(UnitFlags(rawValue: first.topicSysFlag))
        }.map(\.key).sorted()
    }
}

extension TopicRouteData {
    /// This route for a client of `zone`: brokers of other zones that have a master are left out, with their queues.
    ///
    /// Source: `ZoneRouteRPCHook.java`, RocketMQ 5.3.
    func inZone(_ zone: String) -> TopicRouteData {
        let wanted = zone.lowercased()
        let removed = Set(
            brokerDatas.filter { $0.brokerAddrs[0] != nil && $0.zoneName?.lowercased() != wanted }.map(\.brokerName))
        var route = self
        route.brokerDatas.removeAll { removed.contains($0.brokerName) }
        route.queueDatas.removeAll { removed.contains($0.brokerName) }
        return route
    }
}
