import MQBase
import MQProtocol
import MQRemoting
import MQSystem
import MQTransport
import Synchronization

extension ClientTable {
    /// What a change of members or subscriptions leads to.
    struct Membership: Sendable {
        /// Groups whose members or subscriptions are others now, with the connections of those who are there.
        var changed: [String: [Target]] = [:]
        /// Whether the broker knew too little to take a heartbeat without subscriptions.
        var needsSubscriptions = false
    }

    /// One group of a heartbeat, checked.
    struct Consumer {
        let data: ConsumerData
        /// Whether its members are told of changes.
        let notifies: Bool
    }

    /// Takes a heartbeat in. Loop of `channel` only.
    /// - Throws: `systemBusy` when there are as many members as may be; what came before stays.
    func register(
        _ heartbeat: HeartbeatData, consumers: [Consumer], on channel: RemotingChannel, language: LanguageCode,
        version: Int32
    ) throws(Refusal) -> Membership {
        let member = Member(
            clientID: heartbeat.clientID, connectionID: channel.connection.id,
            address: channel.connection.peer.description, language: language, version: version,
            lastUpdate: Self.milliseconds(channel.connection.loop.now))
        let limits = limits
        var hasChanged = false
        defer { if hasChanged { stamp.add(1, ordering: .releasing) } }
        return try state.withLock { state throws(Refusal) in
            var membership = Membership()
            state.channels[member.connectionID] = channel
            for group in heartbeat.producerGroups {
                try state.addProducer(member, to: group, limits)
            }
            for consumer in consumers {
                let group = consumer.data.groupName
                if heartbeat.withoutSub {
                    let isKnown = state.refresh(member, in: group)
                    if !isKnown { membership.needsSubscriptions = true }
                    continue
                }
                let isOther = try state.addConsumer(member, consumer.data, limits)
                hasChanged = hasChanged || isOther.isVisible
                guard isOther.mustTell, consumer.notifies else { continue }
                membership.changed[group] = state.targets(of: group)
            }
            return membership
        }
    }

    /// A client says that it leaves a group. Loop of `channel` only.
    func unregister(
        clientID: String, producerGroup: String?, consumerGroup: String?, on channel: RemotingChannel
    ) -> Membership {
        change { state in
            if let producerGroup { state.removeProducer(clientID, from: producerGroup) }
            guard let consumerGroup, state.removeConsumer(clientID, from: consumerGroup) else { return [] }
            return [consumerGroup]
        }
    }

    /// A connection is gone, and its members with it. Loop of `channel` only.
    func closed(_ channel: RemotingChannel) -> Membership {
        let id = channel.connection.id
        guard state.withLock({ $0.channels[id] != nil }) else { return Membership() }
        return change { state in
            state.channels[id] = nil
            return state.removeMembers { $0.connectionID == id }
        }
    }

    /// Forgets members that have been silent since `deadline`, monotonic milliseconds, and says whose connections to
    /// close. Any thread.
    func expire(before deadline: Int64) -> (membership: Membership, silent: [Target]) {
        var silent: [Target] = []
        let membership = change { state in
            var connections: Set<UInt64> = []
            let groups = state.removeMembers { member in
                guard member.lastUpdate < deadline else { return false }
                connections.insert(member.connectionID)
                return true
            }
            silent = connections.compactMap { id in
                state.channels[id].map { Target(connectionID: id, loop: $0.connection.loop) }
            }
            return groups
        }
        return (membership, silent)
    }

    /// Closes a member's connection, on its own loop. Any thread.
    func close(_ targets: [Target], because reason: String) {
        for target in targets {
            target.loop.execute { [self] in
                state.withLock { $0.channels[target.connectionID] }?.connection.close(reason)
            }
        }
    }

    private func change(_ body: (inout State) -> [String]) -> Membership {
        let membership = state.withLock { state in
            var membership = Membership()
            for group in body(&state) { membership.changed[group] = state.targets(of: group) }
            return membership
        }
        if !membership.changed.isEmpty { stamp.add(1, ordering: .releasing) }
        return membership
    }

    static func milliseconds(_ instant: Instant) -> Int64 { instant.nanoseconds / 1_000_000 }
}

extension ClientTable.State {
    typealias Member = ClientTable.Member

    mutating func addProducer(_ member: Member, to group: String, _ limits: BrokerLimits) throws(Refusal) {
        if producers[group]?[member.clientID] == nil {
            try admit(limits)
            memberCount += 1
        }
        producers[group, default: [:]][member.clientID] = member
    }

    /// Whether anything is other than before that pulls see, and whether the group must be told.
    mutating func addConsumer(
        _ member: Member, _ data: ConsumerData, _ limits: BrokerLimits
    ) throws(Refusal) -> (isVisible: Bool, mustTell: Bool) {
        var group = consumers[data.groupName] ?? ClientTable.ConsumerGroup()
        let known = group.members[member.clientID]
        if known == nil { try admit(limits) }
        let isNew = known?.connectionID != member.connectionID
        group.members[member.clientID] = member
        let isOtherKind =
            group.consumeType != data.consumeType || group.messageModel != data.messageModel
            || group.consumeFromWhere != data.consumeFromWhere
        group.consumeType = data.consumeType
        group.messageModel = data.messageModel
        group.consumeFromWhere = data.consumeFromWhere
        let subscriptions = group.update(data.subscriptionDataSet, max: limits.subscriptionsMax)
        if known == nil { memberCount += 1 }
        consumers[data.groupName] = group
        return (isNew || isOtherKind || subscriptions.isVisible, isNew || subscriptions.mustTell)
    }

    private func admit(_ limits: BrokerLimits) throws(Refusal) {
        guard memberCount < limits.membersMax else {
            throw Refusal(.systemBusy, "this broker keeps at most \(limits.membersMax) members of groups")
        }
    }

    /// Counts a heartbeat without subscriptions; `false` if the member is not known with them.
    mutating func refresh(_ member: Member, in group: String) -> Bool {
        guard consumers[group]?.members[member.clientID]?.connectionID == member.connectionID else { return false }
        consumers[group]?.members[member.clientID]?.lastUpdate = member.lastUpdate
        return true
    }

    mutating func removeProducer(_ clientID: String, from group: String) {
        guard producers[group]?.removeValue(forKey: clientID) != nil else { return }
        memberCount -= 1
        if producers[group]?.isEmpty == true { producers[group] = nil }
    }

    mutating func removeConsumer(_ clientID: String, from group: String) -> Bool {
        guard consumers[group]?.members.removeValue(forKey: clientID) != nil else { return false }
        memberCount -= 1
        if consumers[group]?.members.isEmpty == true { consumers[group] = nil }
        return true
    }

    /// Removes members everywhere.
    /// - Returns: the consumer groups that lost one.
    mutating func removeMembers(where isGone: (Member) -> Bool) -> [String] {
        for (group, members) in producers {
            for member in members.values where isGone(member) { removeProducer(member.clientID, from: group) }
        }
        var touched: [String] = []
        for (name, group) in consumers {
            let gone = group.members.values.filter(isGone)
            for member in gone { _ = removeConsumer(member.clientID, from: name) }
            if !gone.isEmpty { touched.append(name) }
        }
        return touched
    }

    func targets(of group: String) -> [ClientTable.Target] {
        (consumers[group]?.members.values).map { members in
            members.compactMap { member in
                channels[member.connectionID].map {
                    ClientTable.Target(connectionID: member.connectionID, loop: $0.connection.loop)
                }
            }
        } ?? []
    }
}

extension ClientTable.ConsumerGroup {
    /// Takes a member's subscriptions for the group's.
    /// - Returns: whether any is other than before, and whether a topic came or went, of which the members are told.
    ///
    /// Source: `ConsumerGroupInfo.java` `updateSubscription`, RocketMQ 5.3.
    fileprivate mutating func update(
        _ wanted: [SubscriptionData], max: Int
    ) -> (isVisible: Bool, mustTell: Bool) {
        var isVisible = false
        var mustTell = false
        var topics: Set<String> = []
        for subscription in wanted.prefix(max) {
            topics.insert(subscription.topic)
            if let known = subscriptions[subscription.topic] {
                guard subscription.subVersion > known.subVersion else { continue }
            } else {
                mustTell = true
            }
            subscriptions[subscription.topic] = subscription
            isVisible = true
        }
        for topic in Array(subscriptions.keys) where !topics.contains(topic) {
            subscriptions[topic] = nil
            isVisible = true
            mustTell = true
        }
        return (isVisible, mustTell)
    }
}
