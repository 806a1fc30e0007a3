public import MQJSON
import MQMessage
import MQStore
public import MQObserve
public import MQProtocol
public import MQRemoting
import MQSystem

/// The consumer groups a broker knows. Any thread; `subscriptionGroup.json` is written behind the callers' backs.
///
/// Source: `SubscriptionGroupManager.java`, RocketMQ 5.3.
public final class GroupTable: Sendable {
    static let fileName = "subscriptionGroup.json"
    /// Groups every broker has. Source: `SubscriptionGroupManager.java` `init`, `MixAll.java`.
    static let systemGroups = [
        "TOOLS_CONSUMER", "FILTERSRV_CONSUMER", "SELF_TEST_C_GROUP", "CID_ONS-HTTP-PROXY", "CID_ONSAPI_PULL",
        "CID_ONSAPI_PERMISSION", "CID_ONSAPI_OWNER", "CID_RMQ_SYS_TRANS",
    ]

    private struct State {
        var table: SubscriptionGroupWrapper

        /// Topic → bits of what is forbidden.
        func forbidden(_ group: String) -> JSONObject { table.forbiddenTable[key: .string(group)]?.object ?? [:] }
    }

    private let config: LiveConfig
    private let servesLiteQueues: Bool
    private let log: Log
    private let clock: WallClock
    private let state: Lock<State>
    private let notice = ChangeNotice()

    /// The system groups and those of `stored`, the content of `subscriptionGroup.json`.
    /// - Throws: ``BodyError`` if `stored` is not a group table.
    public init(
        _ config: LiveConfig, stored: JSON? = nil, log: Log = .silent,
        clock: WallClock = .system
    ) throws(BodyError) {
        let version = DataVersion(timestamp: clock.now)
        var table = SubscriptionGroupWrapper(dataVersion: version, subscriptionGroupTable: [:])
        for name in Self.systemGroups {
            table.subscriptionGroupTable[name] = SubscriptionGroupConfig(groupName: name)
        }
        if let stored {
            let read = try SubscriptionGroupWrapper(json: stored)
            for (name, group) in read.subscriptionGroupTable {
                guard NameRules.refusal(ofGroup: name) == nil, name == group.groupName else {
                    log.warn("stored group ignored", ["group": name])
                    continue
                }
                table.subscriptionGroupTable[name] = group
            }
            table.forbiddenTable = read.forbiddenTable
            table.dataVersion = read.dataVersion
        }
        self.config = config
        servesLiteQueues = config.current.topics.servesLiteQueues
        self.log = log
        self.clock = clock
        state = Lock(State(table: table))
    }

    /// Writes `subscriptionGroup.json` whenever something changes from here on.
    public func persist(to files: ConfigFiles) {
        files.register(Self.fileName, isChanged: { false }, text: { [self] in wrapper().encoded(.pretty) })
        onChange { files.save(Self.fileName) }
        files.save(Self.fileName)
    }

    /// Calls `body` after every change, on the thread that made it; it must not wait.
    public func onChange(_ body: @escaping @Sendable () -> Void) { notice.listen(body) }

    // MARK: - Reading

    /// The group's configuration if there is one; nothing is made.
    public func existing(_ group: String) -> SubscriptionGroupConfig? {
        if let config = state.withLock({ $0.table.subscriptionGroupTable[group] }) { return config }
        // A group that is called like a lite queue need not be made, and is not in the table.
        return servesLiteQueues && LiteQueue.isName(group) ? SubscriptionGroupConfig(groupName: group) : nil
    }

    /// The group's configuration, made if there is none and groups may come to be by themselves.
    /// - Returns: `nil` if there is none and none may be made: answer `subscriptionGroupNotExist`.
    ///
    /// Source: `SubscriptionGroupManager.java` `findSubscriptionGroupConfig`, RocketMQ 5.3.
    public func config(of group: String) -> SubscriptionGroupConfig? {
        if let group = existing(group) { return group }
        let settings = config.current
        guard
            settings.groups.autoCreateSubscriptionGroup
                || settings.groups.createsSystemGroups && Self.isSystem(group)
        else { return nil }
        guard NameRules.refusal(ofGroup: group) == nil else { return nil }
        let made = SubscriptionGroupConfig(groupName: group)
        let (found, isNew): (SubscriptionGroupConfig?, Bool) = state.withLock { state in
            if let found = state.table.subscriptionGroupTable[group] { return (found, false) }
            guard state.table.subscriptionGroupTable.count < settings.limits.groupsMax else { return (nil, false) }
            state.table.subscriptionGroupTable[group] = made
            state.table.dataVersion.advance(now: clock.now)
            return (made, true)
        }
        if isNew {
            notice.changed()
            log.info("group created", ["group": group])
        }
        return found
    }

    /// Moves with every change: whoever keeps what ``config(of:)`` said asks again when it has.
    public var version: UInt64 { notice.version }

    /// All groups, by name.
    public func snapshot() -> [SubscriptionGroupConfig] {
        state.withLock { Array($0.table.subscriptionGroupTable.values) }.sorted { $0.groupName < $1.groupName }
    }

    /// All groups with their version, as they travel and are stored.
    public func wrapper() -> SubscriptionGroupWrapper { state.withLock { $0.table } }

    // MARK: - What groups may not read

    /// Java's bit for reading, as a power of two.
    private static let readBit: Int64 = 1 << 2

    /// Whether an administrator has forbidden `group` to read `topic`.
    public func mayRead(group: String, topic: String) -> Bool {
        state.withLock { $0.forbidden(group)[key: .string(topic)]?.int64 ?? 0 } & Self.readBit == 0
    }

    /// Forbids `group` to read `topic`, or allows it again. Unlike in Java, other topics of the group stay as they are.
    /// - Throws: `systemBusy` when a group's table is full; `invalidParameter` for a bad name.
    /// - Returns: whether that is new.
    func setReadable(_ isReadable: Bool, group: String, topic: String) throws(Refusal) -> Bool {
        if let refusal = NameRules.refusal(ofGroup: group) ?? NameRules.refusal(ofTopic: topic) {
            throw Refusal(.invalidParameter, refusal)
        }
        let limits = config.current.limits
        let hasChanged: Bool = try state.withLock { state throws(Refusal) in
            var topics = state.forbidden(group)
            let before = max(0, topics[key: .string(topic)]?.int64 ?? 0)
            let after = isReadable ? before & ~Self.readBit : before | Self.readBit
            guard before != after else { return false }
            let isFull = topics.count >= limits.subscriptionsMax || state.table.forbiddenTable.count >= limits.groupsMax
            guard isReadable || !isFull else { throw Refusal(.systemBusy, "this broker forbids too much already") }
            topics[key: .string(topic)] = after == 0 ? nil : .integer(after)
            state.table.forbiddenTable[key: .string(group)] = topics.isEmpty ? nil : .object(topics)
            state.table.dataVersion.advance(now: clock.now)
            return true
        }
        if hasChanged {
            notice.changed()
            log.info("reading forbidden or allowed", ["group": group, "topic": topic, "readable": String(isReadable)])
        }
        return hasChanged
    }

    /// Whether the group is RocketMQ's own.
    public static func isSystem(_ group: String) -> Bool {
        systemGroups.contains(group) || group.hasPrefix("CID_RMQ_SYS_") || group == "SCHEDULE_CONSUMER"
            || group == "__MONITOR_CONSUMER"
    }

    // MARK: - Changing

    /// Adds a group or replaces it.
    /// - Throws: `systemBusy` when the broker has as many groups as it may; `invalidParameter` for a bad name.
    public func put(_ group: SubscriptionGroupConfig) throws(Refusal) {
        if let refusal = NameRules.refusal(ofGroup: group.groupName) { throw Refusal(.invalidParameter, refusal) }
        let max = config.current.limits.groupsMax
        try state.withLock { state throws(Refusal) in
            let isNew = state.table.subscriptionGroupTable[group.groupName] == nil
            guard !isNew || state.table.subscriptionGroupTable.count < max else {
                throw Refusal(.systemBusy, "this broker keeps at most \(max) groups")
            }
            state.table.subscriptionGroupTable[group.groupName] = group
            state.table.dataVersion.advance(now: clock.now)
        }
        notice.changed()
        log.info("group updated", ["group": group.groupName, "config": group.json.text()])
    }

    /// Forgets a group.
    /// - Returns: whether it was there.
    @discardableResult
    public func remove(_ group: String) -> Bool {
        let wasThere = state.withLock { state in
            state.table.forbiddenTable[group] = nil
            guard state.table.subscriptionGroupTable.removeValue(forKey: group) != nil else { return false }
            state.table.dataVersion.advance(now: clock.now)
            return true
        }
        if wasThere {
            notice.changed()
            log.info("group removed", ["group": group])
        }
        return wasThere
    }
}
