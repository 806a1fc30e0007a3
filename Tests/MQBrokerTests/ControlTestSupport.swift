import Foundation
import MQConfig
import MQJSON
import MQMessage
import MQObserve
import MQProtocol
import MQRemoting
import MQSystem
import MQTransport
import Synchronization
import MQTestKit
import Testing

@testable import MQBroker

/// Configurations, files and clocks of tests.
enum ControlMachines {
    static func config(_ keys: [String: String] = [:]) throws -> LiveConfig {
        var values = ConfigValues(.broker, on: ConfigMachine(home: "/nowhere"))
        try values.set("brokerName", to: "broker-a")
        for (key, value) in keys { try values.set(key, to: value) }
        return try LiveConfig(values, physicalMemory: 8 << 30, clock: clock)
    }

    /// Always the same moment.
    static let clock = WallClock { 1_795_241_524_905 }

    static func topics(_ config: LiveConfig? = nil, stored: JSON? = nil) throws -> TopicTable {
        try TopicTable(try config ?? self.config(), stored: stored, clock: clock)
    }

    static func groups(_ config: LiveConfig? = nil, stored: JSON? = nil) throws -> GroupTable {
        try GroupTable(try config ?? self.config(), stored: stored, clock: clock)
    }

    static func offsets(_ config: LiveConfig? = nil, stored: JSON? = nil) throws -> OffsetTable {
        try OffsetTable(try config ?? self.config(), stored: stored, clock: clock)
    }
}

/// A folder that is removed with its owner.
final class ControlFolder {
    let path: String

    init() { path = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID().uuidString)").path }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func text(_ file: String) throws -> String { try String(contentsOfFile: path + "/" + file, encoding: .utf8) }

    func write(_ text: String, to file: String) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try text.write(toFile: path + "/" + file, atomically: false, encoding: .utf8)
    }

    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
}

/// A store that knows what it was told.
final class FakeStore: StoreQueries {
    struct Queue {
        var min: Int64 = 0
        var max: Int64 = 0
    }

    struct State {
        var queues: [String: Queue] = [:]
        var isOnDisk = false
        var deleted: [String] = []
        var batchTopics: Set<String> = []
    }

    let state = Lock(State())

    func setHoldsBatches(_ topic: String, _ holds: Bool) {
        state.withLock { state in
            if holds { state.batchTopics.insert(topic) } else { state.batchTopics.remove(topic) }
        }
    }

    func put(_ topic: String, _ queueID: Int, min: Int64 = 0, max: Int64) {
        state.withLock { $0.queues["\(topic)/\(queueID)"] = Queue(min: min, max: max) }
    }

    func offsets(topic: String, queueID: Int) -> (min: Int64, max: Int64)? {
        state.withLock { $0.queues["\(topic)/\(queueID)"].map { ($0.min, $0.max) } }
    }

    func assignedEnd(topic: String, queueID: Int) -> Int64 { offsets(topic: topic, queueID: queueID)?.max ?? 0 }

    func isOnDisk(topic: String, queueID: Int, offset: Int64) -> Bool { state.withLock { $0.isOnDisk } }

    func searchOffset(topic: String, queueID: Int, timestamp: Int64, upper: Bool) -> Int64? {
        offsets(topic: topic, queueID: queueID).map { upper ? $0.max - 1 : $0.min }
    }

    func storeTimestamp(topic: String, queueID: Int, offset: Int64) -> Int64? {
        guard let ends = offsets(topic: topic, queueID: queueID), offset >= ends.min, offset < ends.max else {
            return nil
        }
        return 1000 + offset
    }

    func earliestStoreTimestamp(topic: String, queueID: Int) -> Int64? {
        offsets(topic: topic, queueID: queueID).map { 1000 + $0.min }
    }

    func units(topic: String, queueID: Int, offsets wanted: Range<Int64>) -> [QueryConsumeQueueResponseBody.Unit] {
        wanted.clamped(to: offsets(topic: topic, queueID: queueID).map { $0.min..<$0.max } ?? 0..<0).map {
            QueryConsumeQueueResponseBody.Unit(physicalOffset: $0 * 100, size: 100, tagsCode: 65)
        }
    }

    func record(at offset: Int64) -> [UInt8]? { offset == 7 ? [1, 2, 3] : nil }

    func deleteQueues(of topic: String) { state.withLock { $0.deleted.append(topic) } }

    func deleteQueues(exceptOf isKept: @Sendable (_ topic: String) -> Bool) {
        let names = state.withLock { Set($0.queues.keys.map { String($0.split(separator: "/")[0]) }) }
        for name in names.sorted() where !isKept(name) { deleteQueues(of: name) }
    }

    func deleteExpiredQueues(exceptOf isKept: @Sendable (_ topic: String, _ queueID: Int) -> Bool) {
        let names = state.withLock { $0.queues.keys.sorted() }
        for name in names {
            let parts = name.split(separator: "/")
            if !isKept(String(parts[0]), Int(parts[1]) ?? 0) { deleteQueues(of: name) }
        }
    }

    func deleteExpiredFiles() { state.withLock { $0.deleted.append("expired files") } }

    func delayOffsets() -> DelayOffsetSerializeWrapper { DelayOffsetSerializeWrapper(offsetTable: [1: 3, 3: 7]) }

    var logEnd: Int64 { 12_519 }

    var runtimeValues: [(String, String)] { [("commitLogMaxOffset", "12519")] }
}

/// A control service behind a real server on a free port of loopback.
final class RunningControl {
    let folder = ControlFolder()
    let config: LiveConfig
    let topics: TopicTable
    let groups: GroupTable
    let offsets: OffsetTable
    let clients: ClientTable
    let store = FakeStore()
    let stats: BrokerStats
    let files: ConfigFiles
    let service: ControlService
    private let loop: EventLoop
    private let server: RemotingServer

    init(_ keys: [String: String] = [:], limits: BrokerLimits? = nil) throws {
        config = try ControlMachines.config(keys)
        if let limits { config.adjust { $0.limits = limits } }
        files = ConfigFiles(folder: folder.path, log: .silent)
        topics = try ControlMachines.topics(config)
        groups = try ControlMachines.groups(config)
        offsets = try ControlMachines.offsets(config)
        topics.persist(to: files)
        groups.persist(to: files)
        offsets.persist(to: files)
        clients = ClientTable(limits: config.current.limits)
        stats = BrokerStats(now: SystemClock.now(), wall: SystemClock.wall(), topics: topics.stats)
        service = ControlService(
            config: config, topics: topics, groups: groups, offsets: offsets, clients: clients,
            filters: try ConsumerFilterTable(config, expressions: clients.expressions), store: store, stats: stats,
            files: files)
        loop = try EventLoop("test")
        let service = service
        server = try RemotingServer(try .resolve("127.0.0.1:0"), loops: [loop], log: .silent) { _ in Door(service) }
        loop.start()
        files.start()
        service.start(on: loop)
        server.start()
    }

    deinit {
        server.stop()
        service.stop()
        loop.stop()
        files.stop()
    }

    func connect() throws -> RemotingPeer { try RemotingPeer(port: server.address.port) }

    /// Runs `body` on the server's loop and waits for it.
    func onLoop(_ body: @escaping @Sendable () -> Void) {
        let done = Monitor(false)
        loop.execute {
            body()
            done.signal {
                $0 = true
                return true
            }
        }
        _ = done.wait { $0 ? true : nil }
    }
}

/// Hands every request to the service.
private final class Door: RemotingService {
    private let service: ControlService

    init(_ service: ControlService) { self.service = service }

    func handle(_ header: RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>, on channel: RemotingChannel) {
        let reply = channel.reply(to: header.opaque, isOneWay: header.isOneWay)
        service.handle(RemotingCommand(header, frame, in: bytes), on: channel, reply: reply)
    }

    func closed(_ channel: RemotingChannel, because reason: CloseReason) { service.channelClosed(channel) }
}

extension RemotingCommand {
    static func heartbeat(
        _ clientID: String, producers: [String] = [], consumers: [ConsumerData] = [], withoutSub: Bool = false
    ) -> RemotingCommand {
        var data = HeartbeatData(clientID: clientID, producerGroups: producers, consumerDataSet: consumers)
        data.withoutSub = withoutSub
        data.heartbeatFingerprint = withoutSub ? 1 : 0
        return RemotingCommand(.heartBeat, body: data.encoded())
    }

    var json: JSON { (try? JSON(parsing: body)) ?? .null }
}

extension ConsumerData {
    static func group(_ name: String, _ topics: String..., version: Int64 = 1) -> ConsumerData {
        ConsumerData(
            groupName: name,
            subscriptionDataSet: topics.map { SubscriptionData(topic: $0, subString: "*", subVersion: version) })
    }
}

/// The time of day as a test sets it, milliseconds since 1970.
final class ManualTime: Sendable {
    private let value: Lock<Int64>

    init(_ now: Int64) { value = Lock(now) }

    var now: Int64 {
        get { value.withLock { $0 } }
        set { value.withLock { $0 = newValue } }
    }
}
