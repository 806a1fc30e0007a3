public import MQJSON
public import MQObserve
public import MQProtocol
import MQStore
import MQSystem
import Synchronization

/// How far each group has consumed each queue: the offset of the next message it wants. Any thread.
/// `consumerOffset.json` is written every `flushConsumerOffsetInterval` when something has changed, and at the stop.
///
/// Source: `ConsumerOffsetManager.java`, RocketMQ 5.3.
public final class OffsetTable: Sendable {
    static let fileName = "consumerOffset.json"
    /// Instead of it, where lite queues are served.
    static let liteFileName = "lmqConsumerOffset.json"

    /// What a commit did.
    public enum Commit: Equatable, Sendable {
        /// The offset is further than before, or the first.
        case moved
        /// It is the same as before.
        case unchanged
        /// It is smaller than before. Stored all the same, as Java does: that is how a group is rewound.
        case wentBack(from: Int64)
        /// The broker keeps as many offsets as it may; nothing is stored.
        case full
        /// An administrator has moved the group and it has not heard of it: it speaks of what was before. Nothing is stored.
        case isReset
    }

    private struct Key: Hashable {
        let topic: String
        let group: String
    }

    private struct State {
        var offsets: [Key: [Int32: Int64]] = [:]
        var count = 0
        var version = DataVersion()
        var isChanged = false
        /// What an administrator has set and consumers have not heard. Beside the offsets, so that no commit comes between
        /// the two.
        var resets = PendingResets()

        mutating func set(_ key: Key, _ queueID: Int32, _ offset: Int64, _ max: Int) -> Commit {
            let before = offsets[key]?[queueID]
            if before == offset { return .unchanged }
            if before == nil {
                guard count < max else { return .full }
                count += 1
            }
            offsets[key, default: [:]][queueID] = offset
            isChanged = true
            guard let before, before > offset else { return .moved }
            return .wentBack(from: before)
        }
    }

    /// So that pulls need not lock to learn that nothing pends, which is nearly always.
    private let pendingResets = Atomic<Int>(0)
    private let resetNotice = ChangeNotice()
    private let listener = Lock(Listener())

    private struct Listener {
        var reset: (@Sendable (PopQueueKey, Int64) -> Void)?
    }
    private let flushMilliseconds: Int64
    private let offsetsMax: Int
    private let servesLiteQueues: Bool
    private let log: Log
    private let clock: WallClock
    private let state: Lock<State>

    /// The offsets of `stored`, the content of `consumerOffset.json`, of 4.9 or 5.x, or of `lmqConsumerOffset.json`.
    /// - Throws: ``BodyError`` if `stored` is not an offset table.
    public init(
        _ config: LiveConfig, stored: JSON? = nil, log: Log = .silent,
        clock: WallClock = .system
    ) throws(BodyError) {
        var state = State(version: DataVersion(timestamp: clock.now))
        if let stored {
            let table = try ConsumerOffsetSerializeWrapper(json: stored)
            for (text, queues) in table.offsetTable {
                guard let key = Self.key(text) else {
                    log.warn("stored offsets ignored", ["key": text])
                    continue
                }
                state.offsets[key] = queues
                state.count += queues.count
            }
            for (text, offset) in table.lmqOffsetTable ?? [:] {
                guard let key = Self.key(text) else {
                    log.warn("stored offsets ignored", ["key": text])
                    continue
                }
                if state.offsets[key, default: [:]].updateValue(offset, forKey: Self.liteQueueID) == nil {
                    state.count += 1
                }
            }
            if let version = table.dataVersion { state.version = version }
        }
        flushMilliseconds = config.current.groups.flushConsumerOffsetMilliseconds
        offsetsMax = config.current.limits.offsetsMax
        servesLiteQueues = config.current.topics.servesLiteQueues
        self.log = log
        self.clock = clock
        self.state = Lock(state)
    }

    /// Writes `consumerOffset.json` from here on, or `lmqConsumerOffset.json`.
    public func persist(to files: ConfigFiles) {
        files.register(
            servesLiteQueues ? Self.liteFileName : Self.fileName, everyMilliseconds: flushMilliseconds,
            isChanged: { [self] in state.withLock { $0.isChanged } },
            text: { [self] in
                let wrapper = state.withLock { state in
                    if state.isChanged { state.version.advance(now: clock.now) }
                    state.isChanged = false
                    return self.wrapper(of: state)
                }
                return wrapper.encoded(.pretty)
            })
    }

    // MARK: - One offset

    /// Stores how far `group` is in a queue. One that goes back is logged.
    /// - Parameter peer: who says so, for that.
    @discardableResult
    public func commit(
        group: String, topic: String, queueID: Int32, offset: Int64, by peer: @autoclosure () -> String = ""
    ) -> Commit {
        commit(Place(group: group, topic: topic, queueID: queueID), offset, isConsumer: false, by: peer())
    }

    /// Stores how far a consumer says that its group is, unless an administrator has moved the group and it has not heard.
    /// What lies behind `end`, where the queue ends, counts as `end`: else the group would pass over messages that come later.
    /// - Parameter peer: who says so, for the log.
    public func consumed(
        group: String, topic: String, queueID: Int32, offset: Int64, end: Int64, by peer: @autoclosure () -> String
    ) -> Commit {
        if offset > end {
            log.warn(
                "consumer offset behind its queue's end",
                [
                    "group": group, "queue": "\(topic)/\(queueID)", "offset": String(offset), "end": String(end),
                    "by": peer(),
                ])
        }
        let place = Place(group: group, topic: topic, queueID: queueID)
        return commit(place, min(offset, end), isConsumer: true, by: peer())
    }

    /// A group's offset in a queue.
    private struct Place {
        let group: String
        let topic: String
        let queueID: Int32
        var key: Key { Key(topic: topic, group: group) }
    }

    private func commit(
        _ place: Place, _ offset: Int64, isConsumer: Bool, by peer: @autoclosure () -> String
    ) -> Commit {
        let max = offsetsMax
        let outcome: Commit = state.withLock { state in
            if isConsumer, state.resets.isPending(group: place.group, topic: place.topic, queueID: place.queueID) {
                return .isReset
            }
            return state.set(place.key, place.queueID, offset, max)
        }
        if case .wentBack(let before) = outcome {
            // Never silently: somebody will want to know why messages came again.
            log.warn(
                "consumer offset went back",
                [
                    "group": place.group, "queue": "\(place.topic)/\(place.queueID)", "from": String(before),
                    "to": String(offset), "by": peer(),
                ])
        }
        return outcome
    }

    /// Moves `group` in a queue, unless somebody has set its offset to another than `from` meanwhile.
    func advance(group: String, topic: String, queueID: Int32, from: Int64, to offset: Int64) {
        let key = Key(topic: topic, group: group)
        state.withLock { state in
            guard state.offsets[key]?[queueID] == from else { return }
            state.offsets[key]?[queueID] = offset
            state.isChanged = true
        }
    }

    /// Calls `body` after every round of ``reset(group:topic:queueID:to:)``, on the thread that made it; it must not wait.
    func onReset(_ body: @escaping @Sendable () -> Void) { resetNotice.listen(body) }

    /// Calls `body` after every reset of a queue, on the thread that made it; it may wait for the disk.
    func onEachReset(_ body: @escaping @Sendable (PopQueueKey, Int64) -> Void) { listener.withLock { $0.reset = body } }

    /// Consumers that wait are to hear of resets now.
    func announceResets() { resetNotice.changed() }

    /// Stores where an administrator wants `group` to go on, and keeps it for the group's next pull.
    /// - Returns: `false` if there is no room for it.
    func reset(group: String, topic: String, queueID: Int32, to offset: Int64) -> Bool {
        let max = offsetsMax
        let isTaken = state.withLock { state in
            guard state.resets.hasRoom(group: group, topic: topic, queueID: queueID),
                state.set(Key(topic: topic, group: group), queueID, offset, max) != .full
            else { return false }
            state.resets.set(group: group, topic: topic, queueID: queueID, to: offset)
            pendingResets.store(state.resets.count, ordering: .releasing)
            return true
        }
        if isTaken {
            listener.withLock { $0.reset }?(PopQueueKey(group: group, topic: topic, queueID: queueID), offset)
        }
        return isTaken
    }

    /// Whether an administrator has moved the group in a queue, and it has not heard yet.
    func hasReset(group: String, topic: String, queueID: Int32) -> Bool {
        guard pendingResets.load(ordering: .acquiring) > 0 else { return false }
        return state.withLock { $0.resets.isPending(group: group, topic: topic, queueID: queueID) }
    }

    /// Where an administrator has moved the group, to tell it, once.
    func takeReset(group: String, topic: String, queueID: Int32) -> Int64? {
        guard pendingResets.load(ordering: .acquiring) > 0 else { return nil }
        return state.withLock { state in
            defer { pendingResets.store(state.resets.count, ordering: .releasing) }
            return state.resets.take(group: group, topic: topic, queueID: queueID)
        }
    }

    /// The next message `group` wants of a queue; `nil` if it has never said.
    public func query(group: String, topic: String, queueID: Int32) -> Int64? {
        state.withLock { $0.offsets[Key(topic: topic, group: group)]?[queueID] }
    }

    // MARK: - Many

    /// All offsets of `group` in `topic`, by queue.
    public func offsets(group: String, topic: String) -> [Int32: Int64] {
        state.withLock { $0.offsets[Key(topic: topic, group: group)] ?? [:] }
    }

    /// Topics `group` has consumed, by name.
    public func topics(of group: String) -> [String] {
        state.withLock { state in state.offsets.keys.filter { $0.group == group }.map(\.topic) }.sorted()
    }

    /// Groups that have consumed `topic`, by name.
    public func groups(of topic: String) -> [String] {
        state.withLock { state in state.offsets.keys.filter { $0.topic == topic }.map(\.group) }.sorted()
    }

    /// Forgets a group's offsets.
    public func remove(group: String) {
        remove({ $0.group == group }) { $0.remove(group: group) }
    }

    /// Forgets all offsets in a topic.
    public func remove(topic: String) {
        remove({ $0.topic == topic }) { $0.remove(topic: topic) }
    }

    /// All offsets, as they travel and are stored.
    public func wrapper() -> ConsumerOffsetSerializeWrapper { state.withLock { wrapper(of: $0) } }

    private func remove(_ isGone: (Key) -> Bool, _ forget: (inout PendingResets) -> Void) {
        state.withLock { state in
            forget(&state.resets)
            pendingResets.store(state.resets.count, ordering: .releasing)
            for key in state.offsets.keys.filter(isGone) {
                state.count -= state.offsets.removeValue(forKey: key)?.count ?? 0
                state.isChanged = true
            }
        }
    }

    /// The queue that Java keeps an offset of for a group that is called like a lite queue.
    private static let liteQueueID = Int32(LiteQueue.queueID)

    private func wrapper(of state: State) -> ConsumerOffsetSerializeWrapper {
        var table: [String: [Int32: Int64]] = [:]
        var lite: [String: Int64] = [:]
        for (key, var queues) in state.offsets {
            let name = "\(key.topic)@\(key.group)"
            if servesLiteQueues, LiteQueue.isName(key.group), let offset = queues.removeValue(forKey: Self.liteQueueID)
            {
                lite[name] = offset
            }
            if !queues.isEmpty { table[name] = queues }
        }
        return ConsumerOffsetSerializeWrapper(
            offsetTable: table, lmqOffsetTable: servesLiteQueues ? lite : nil, dataVersion: state.version)
    }

    /// What is stored, by the newer of the two files: an administrator who turns lite queues on or off rewinds nobody.
    static func stored(in files: ConfigFiles) throws -> JSON? {
        let (plain, lite) = (try files.load(fileName), try files.load(liteFileName))
        guard let plain, let lite else { return plain ?? lite }
        func time(_ json: JSON) throws -> Int64 {
            try ConsumerOffsetSerializeWrapper(json: json).dataVersion?.timestamp ?? 0
        }
        return try time(lite) >= time(plain) ? lite : plain
    }

    private static func key(_ text: String) -> Key? {
        guard let at = text.firstIndex(of: "@"), at > text.startIndex else { return nil }
        let group = text[text.index(after: at)...]
        guard !group.isEmpty else { return nil }
        return Key(topic: String(text[..<at]), group: String(group))
    }
}
