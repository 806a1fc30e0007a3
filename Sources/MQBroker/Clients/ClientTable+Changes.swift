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
        /// Members that have just subscribed to something else than another member of their group does: each of the two
        /// loses messages that the other does not want.
        var differing: [(group: String, clientID: String, other: String)] = []
        /// Whether the broker knew too little to take a heartbeat without subscriptions.
        var needsSubscriptions = false
    }

    /// Takes a heartbeat in. Loop of `channel` only.
    /// - Returns: what changed, of which the groups must hear in any case, and why the rest was not taken: there are as many
    ///   members or subscriptions as may be. What came before stays.
    func register(
        _ heartbeat: HeartbeatData, on channel: RemotingChannel, language: LanguageCode, version: Int32
    ) -> (membership: Membership, refusal: Refusal?) {
        let member = Member(
            clientID: heartbeat.clientID, connectionID: channel.connection.id,
            address: channel.connection.peer.description, language: language, version: version,
            lastUpdate: Self.milliseconds(channel.connection.loop.now))
        let limits = limits
        var hasChanged = false
        defer { if hasChanged { stamp.add(1, ordering: .releasing) } }
        return state.withLock { state in
            var membership = Membership()
            if state.connections[member.connectionID] == nil {
                state.connections[member.connectionID] = Presence(channel: channel)
            }
            do throws(Refusal) {
                for group in heartbeat.producerGroups { try state.addProducer(member, to: group, limits) }
                for consumer in heartbeat.consumerDataSet {
                    guard !heartbeat.withoutSub else {
                        let isKnown = state.refresh(member, in: consumer.groupName)
                        if !isKnown { membership.needsSubscriptions = true }
                        continue
                    }
                    let isVisible = try state.register(member, consumer, limits, &membership)
                    hasChanged = hasChanged || isVisible
                }
            } catch {
                return (membership, error)
            }
            return (membership, nil)
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
        return change { state in
            guard let presence = state.connections.removeValue(forKey: id) else { return [] }
            return presence.memberships.filter { state.remove($0, of: id) && $0.isConsumer }.map(\.group)
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
                state.connections[id].map { Target(connectionID: id, loop: $0.channel.connection.loop) }
            }
            return groups
        }
        return (membership, silent)
    }

    /// Closes a member's connection, on its own loop. Any thread.
    func close(_ targets: [Target], because reason: String) {
        for target in targets {
            target.loop.execute { [self] in
                state.withLock { $0.connections[target.connectionID] }?.channel.connection.close(reason)
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
        if let known = producers[group]?[member.clientID] {
            forget(known, in: group, isConsumer: false)  // it may have come over another connection
        } else {
            try admit(limits)
            memberCount += 1
        }
        producers[group, default: [:]][member.clientID] = member
        note(member, in: group, isConsumer: false)
    }

    /// So that the connection's end finds its members.
    private mutating func note(_ member: Member, in group: String, isConsumer: Bool) {
        connections[member.connectionID]?.memberships.insert(
            ClientTable.MemberKey(clientID: member.clientID, group: group, isConsumer: isConsumer))
    }

    /// Takes in a member with its subscriptions.
    /// - Returns: whether anything is other than before that pulls see.
    mutating func register(
        _ member: Member, _ data: ConsumerData, _ limits: BrokerLimits, _ membership: inout ClientTable.Membership
    ) throws(Refusal) -> Bool {
        let group = data.groupName
        var member = member
        member.subscriptionHash = data.subscriptionHash
        let other = memberDiffering(from: member, in: group)
        let isOther = try addConsumer(member, data, limits)
        if let other { membership.differing.append((group, member.clientID, other)) }
        if isOther.mustTell { membership.changed[group] = targets(of: group) }
        return isOther.isVisible
    }

    /// Whether anything is other than before that pulls see, and whether the group must be told.
    mutating func addConsumer(
        _ member: Member, _ data: ConsumerData, _ limits: BrokerLimits
    ) throws(Refusal) -> (isVisible: Bool, mustTell: Bool) {
        let count = data.subscriptionDataSet.count
        guard count <= limits.subscriptionsMax else {
            throw Refusal(
                .invalidParameter,
                "group \(data.groupName) subscribes to \(count) topics; at most \(limits.subscriptionsMax) are allowed")
        }
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
        let room = limits.subscriptionByteCountMax - subscriptionByteCount
        let before = group.byteCount
        let subscriptions = group.update(data.subscriptionDataSet)
        guard group.byteCount - before <= room else {
            throw Refusal(.systemBusy, "the subscriptions of all groups take more than this broker keeps")
        }
        subscriptionByteCount += group.byteCount - before
        if let known {
            forget(known, in: data.groupName, isConsumer: true)  // it may have come over another connection
        } else {
            memberCount += 1
        }
        consumers[data.groupName] = group
        note(member, in: data.groupName, isConsumer: true)
        return (isNew || isOtherKind || subscriptions.isVisible, isNew || subscriptions.mustTell)
    }

    /// A member that wants something else than `member` begins to.
    func memberDiffering(from member: Member, in group: String) -> String? {
        guard let members = consumers[group]?.members,
            members[member.clientID]?.subscriptionHash != member.subscriptionHash
        else { return nil }
        return members.values.first {
            $0.clientID != member.clientID && $0.subscriptionHash != member.subscriptionHash
        }?.clientID
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

    private mutating func forget(_ member: Member, in group: String, isConsumer: Bool) {
        connections[member.connectionID]?.memberships.remove(
            ClientTable.MemberKey(clientID: member.clientID, group: group, isConsumer: isConsumer))
    }

    /// Removes a member if it still came over connection `id`.
    mutating func remove(_ key: ClientTable.MemberKey, of id: UInt64) -> Bool {
        if key.isConsumer {
            guard consumers[key.group]?.members[key.clientID]?.connectionID == id else { return false }
            return removeConsumer(key.clientID, from: key.group)
        }
        guard producers[key.group]?[key.clientID]?.connectionID == id else { return false }
        removeProducer(key.clientID, from: key.group)
        return true
    }

    mutating func removeProducer(_ clientID: String, from group: String) {
        guard let member = producers[group]?.removeValue(forKey: clientID) else { return }
        forget(member, in: group, isConsumer: false)
        memberCount -= 1
        if producers[group]?.isEmpty == true { producers[group] = nil }
    }

    mutating func removeConsumer(_ clientID: String, from group: String) -> Bool {
        guard let member = consumers[group]?.members.removeValue(forKey: clientID) else { return false }
        forget(member, in: group, isConsumer: true)
        memberCount -= 1
        if consumers[group]?.members.isEmpty == true {
            subscriptionByteCount -= consumers.removeValue(forKey: group)?.byteCount ?? 0
        }
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

    /// The connections of a group whose members share messages; members of broadcasting groups need not know of each
    /// other.
    func targets(of group: String) -> [ClientTable.Target] {
        guard let found = consumers[group], found.messageModel == .clustering else { return [] }
        return found.members.values.compactMap { member in
            connections[member.connectionID].map {
                ClientTable.Target(connectionID: member.connectionID, loop: $0.channel.connection.loop)
            }
        }
    }
}

extension ClientTable.ConsumerGroup {
    /// Takes a member's subscriptions for the group's.
    /// - Returns: whether any is other than before, and whether a topic came or went, of which the members are told.
    ///
    /// Source: `ConsumerGroupInfo.java` `updateSubscription`, RocketMQ 5.3.
    fileprivate mutating func update(_ wanted: [SubscriptionData]) -> (isVisible: Bool, mustTell: Bool) {
        var isVisible = false
        var mustTell = false
        var topics: Set<String> = []
        for subscription in wanted {
            topics.insert(subscription.topic)
            if let known = subscriptions[subscription.topic] {
                guard subscription.subVersion > known.subVersion else { continue }
                byteCount -= known.byteCount
            } else {
                mustTell = true
            }
            subscriptions[subscription.topic] = subscription
            byteCount += subscription.byteCount
            isVisible = true
        }
        for topic in Array(subscriptions.keys) where !topics.contains(topic) {
            byteCount -= subscriptions.removeValue(forKey: topic)?.byteCount ?? 0
            isVisible = true
            mustTell = true
        }
        return (isVisible, mustTell)
    }
}

extension ConsumerData {
    /// Equal for members that subscribe to the same.
    fileprivate var subscriptionHash: Int {
        var hasher = Hasher()
        for subscription in subscriptionDataSet.sorted(by: { $0.topic < $1.topic }) {
            hasher.combine(subscription.topic)
            hasher.combine(subscription.isByExpression)
            hasher.combine(subscription.subString)
        }
        return hasher.finalize()
    }
}

extension SubscriptionData {
    /// About what it takes in memory.
    fileprivate var byteCount: Int {
        200 + topic.utf8.count + subString.utf8.count + codeSet.count * 4
            + tagsSet.reduce(0) { $0 + 16 + $1.utf8.count }
    }
}
