import MQBase
import MQJSON
import MQProtocol

extension RouteTable {
    /// What a broker says about itself: `REGISTER_BROKER` (103).
    struct Registration: Sendable {
        var cluster: String
        var brokerName: String
        /// `host:port` as clients shall use it.
        var address: String
        /// 0 is the master.
        var brokerID: Int64
        /// Where slaves of this broker connect to.
        var haServerAddress: String
        var zoneName: String?
        /// The broker is taken for dead when it is silent longer than this.
        var heartbeatTimeoutMilliseconds: Int64 = 120_000
        /// `nil` from brokers before 5.0.
        var enableActingMaster: Bool?
        /// The topics; `nil` if the request had no body.
        var topics: TopicConfigSerializeWrapper?
        var channel: ChannelID

        /// A registration with RocketMQ's defaults.
        init(
            cluster: String, brokerName: String, address: String, brokerID: Int64, haServerAddress: String = "",
            topics: TopicConfigSerializeWrapper?, channel: ChannelID
        ) {
            self.cluster = cluster
            self.brokerName = brokerName
            self.address = address
            self.brokerID = brokerID
            self.haServerAddress = haServerAddress
            self.topics = topics
            self.channel = channel
        }
    }

    /// What the broker is told.
    enum RegistrationAnswer: Equatable, Sendable {
        /// Registered.
        case registered(isNew: Bool)
        /// Registered as a slave of the master at `address`.
        case slave(isNew: Bool, masterAddress: String, haServerAddress: String)
        /// Another process holds this broker id and has a newer state version: nothing was registered, and the broker
        /// is told nothing, as in RocketMQ.
        case conflict(heldBy: String)
    }

    /// Enters a broker and, if it is a master or stands in for one, its topics.
    /// - Throws: ``RouteRefusal``; nothing has changed then.
    mutating func register(
        _ registration: Registration, at now: Instant
    ) throws(RouteRefusal) -> RegistrationAnswer {
        try check(registration)
        let key = BrokerKey(cluster: registration.cluster, address: registration.address)
        let dataVersion = registration.topics?.dataVersion ?? DataVersion()
        let known = brokers[registration.brokerName]
        if let held = known?.brokerAddrs[registration.brokerID], held != registration.address,
            let holder = live[BrokerKey(cluster: registration.cluster, address: held)],
            holder.dataVersion.stateVersion > dataVersion.stateVersion
        {
            unregister(cluster: key.cluster, brokerName: registration.brokerName, address: key.address)
            return .conflict(heldBy: held)
        }
        if known?.brokerAddrs[registration.brokerID] == nil, registration.topics?.topicConfigTable.count == 1 {
            throw .notRegistered
        }
        if let other = live[key]?.brokerName, other != registration.brokerName {  // the process was given a new name
            unregister(cluster: key.cluster, brokerName: other, address: key.address)
        }

        let isNew = enterBroker(registration, key)
        let isMaster = registration.brokerID == 0
        let isPrimeSlave =
            registration.enableActingMaster != nil && !isMaster
            && registration.brokerID == brokers[registration.brokerName]?.brokerAddrs.keys.min()
        if let topics = registration.topics, isMaster || isPrimeSlave {
            let isChanged = isNew || live[key]?.dataVersion != dataVersion
            let wipesWrite = isPrimeSlave && registration.enableActingMaster == true
            enterTopics(topics, of: registration.brokerName, isChanged: isChanged, wipesWrite: wipesWrite)
        }
        enterLive(registration, key, dataVersion, now)
        return answer(registration, isNew: isNew)
    }

    private func check(_ registration: Registration) throws(RouteRefusal) {
        try Self.checkName(registration.cluster, "clusterName")
        try Self.checkName(registration.brokerName, "brokerName")
        try Self.checkName(registration.address, "brokerAddr")
        if !registration.haServerAddress.isEmpty { try Self.checkName(registration.haServerAddress, "haServerAddr") }
        if let zone = registration.zoneName, !zone.isEmpty { try Self.checkName(zone, "zone name") }
        if let known = brokers[registration.brokerName] {
            guard known.brokerAddrs.count < Limit.addressesPerBroker || known.brokerAddrs[registration.brokerID] != nil
            else { throw .tooMany("addresses of one broker", limit: Limit.addressesPerBroker) }
        } else if brokers.count >= Limit.brokers {
            throw .tooMany("brokers", limit: Limit.brokers)
        }
        guard let topics = registration.topics else { return }
        var newTopics = 0
        var newQueueDatas = 0
        for name in topics.topicConfigTable.keys {
            try Self.checkName(name, "topic")
            guard let queues = self.topics[name] else {
                newTopics += 1
                newQueueDatas += 1
                continue
            }
            if queues[registration.brokerName] == nil { newQueueDatas += 1 }
        }
        guard self.topics.count + newTopics <= Limit.topics else { throw .tooMany("topics", limit: Limit.topics) }
        guard queueDataCount + newQueueDatas <= Limit.queueDatas else {
            throw .tooMany("topics times brokers", limit: Limit.queueDatas)
        }
    }

    static func checkName(_ name: String, _ field: String) throws(RouteRefusal) {
        let bytes = name.utf8
        guard !bytes.isEmpty, bytes.count <= Limit.nameByteCount, bytes.allSatisfy({ $0 >= 32 && $0 != 127 }) else {
            throw .badName(field: field)
        }
    }

    /// - Returns: whether this broker id was not registered before.
    private mutating func enterBroker(_ registration: Registration, _ key: BrokerKey) -> Bool {
        let known = brokers[registration.brokerName]
        var broker =
            known ?? BrokerData(cluster: registration.cluster, brokerName: registration.brokerName, brokerAddrs: [:])
        broker.enableActingMaster = registration.enableActingMaster ?? false
        broker.zoneName = registration.zoneName
        // A slave that became master comes with another id: an address stands under one id only.
        broker.brokerAddrs = broker.brokerAddrs.filter { id, address in
            address != registration.address || id == registration.brokerID
        }
        let held = broker.brokerAddrs.updateValue(registration.address, forKey: registration.brokerID)
        if let held, held != registration.address {
            forgetLive(BrokerKey(cluster: registration.cluster, address: held))
        }
        if broker != known {
            brokers[registration.brokerName] = broker
            version &+= 1
        }
        if clusters[registration.cluster, default: []].insert(registration.brokerName).inserted { version &+= 1 }
        return held == nil
    }

    private mutating func enterTopics(
        _ wrapper: TopicConfigSerializeWrapper, of brokerName: String, isChanged: Bool, wipesWrite: Bool
    ) {
        let mappingInfos = wrapper.topicQueueMappingInfoMap ?? JSONObject()
        if rules.deletesTopicsNotRegistered, mappingInfos.isEmpty {
            for topic in topicNames(of: brokerName) where wrapper.topicConfigTable[topic] == nil {
                removeQueues(of: topic, at: brokerName)
            }
        }
        for (topic, config) in wrapper.topicConfigTable where isChanged || topics[topic]?[brokerName] == nil {
            setQueues(
                QueueData(
                    brokerName: brokerName, readQueueNums: config.readQueueNums,
                    writeQueueNums: config.writeQueueNums,
                    perm: wipesWrite ? config.perm.subtracting(.write) : config.perm,
                    topicSysFlag: config.topicSysFlag), of: topic)
        }
        guard isChanged else { return }
        for member in mappingInfos {
            guard let topic = member.key.string, topics[topic] != nil else { continue }
            let name = member.value["bname"].string ?? brokerName
            guard mappings[topic]?[name] != member.value, mappings[topic]?.count ?? 0 < Limit.brokers else { continue }
            mappings[topic, default: JSONObject()][name] = member.value
            version &+= 1
        }
    }

    private mutating func enterLive(
        _ registration: Registration, _ key: BrokerKey, _ dataVersion: DataVersion, _ now: Instant
    ) {
        if let before = live[key], before.channel != registration.channel { leaveChannel(key, before.channel) }
        channels[registration.channel, default: []].insert(key)
        live[key] = LiveBroker(
            brokerName: registration.brokerName, lastUpdate: now,
            heartbeatTimeoutMilliseconds: max(1, registration.heartbeatTimeoutMilliseconds), dataVersion: dataVersion,
            channel: registration.channel, haServerAddress: registration.haServerAddress)
    }

    private func answer(_ registration: Registration, isNew: Bool) -> RegistrationAnswer {
        guard registration.brokerID != 0, let master = brokers[registration.brokerName]?.brokerAddrs[0],
            let alive = live[BrokerKey(cluster: registration.cluster, address: master)]
        else { return .registered(isNew: isNew) }
        return .slave(isNew: isNew, masterAddress: master, haServerAddress: alive.haServerAddress)
    }

    // MARK: - Data versions

    /// The version of the topics that the broker at `address` registered last; `nil` if it is not alive.
    func dataVersion(cluster: String, address: String) -> DataVersion? {
        live[BrokerKey(cluster: cluster, address: address)]?.dataVersion
    }

    /// The broker at `address` is alive: a light heartbeat, or a question that shows it. Unknown brokers do not matter.
    mutating func refresh(cluster: String, address: String, at now: Instant) {
        live[BrokerKey(cluster: cluster, address: address)]?.lastUpdate = now
    }
}
