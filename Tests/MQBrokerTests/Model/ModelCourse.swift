import Foundation
import MQBase
import MQProtocol
import MQSystem
import MQTestKit

@testable import MQBroker

/// A random course of producers and consumers against one broker, and the model of what must come of it. Used by one
/// thread at a time.
final class ModelCourse: @unchecked Sendable {
    // @unchecked: the test hands it from one thread to the next and waits for each.
    static let topics = ["alpha", "beta"]
    static let queueCount = 2
    static let peerCount = 4
    /// `messageDelayLevel`, ms.
    static let levels: [Int64] = [1000, 1000, 2000]

    /// A popped message.
    struct Handle {
        let id: Int
        let group: ModelState.Group
        var popped: Popped
        var deadline: Int64
    }

    let port: Int
    var random: SeededRandom
    var state = ModelState()
    var peers: [ModelPeer] = []
    /// Halves whose answers say where they lie.
    var halves: [Int: RemotingCommand] = [:]
    /// How timed messages can be taken back.
    var recalls: [Int: String] = [:]
    /// Popped and neither acknowledged nor lost.
    var handles: [Handle] = []
    /// The last pop of each queue by the ordering group, and its attempts so far.
    var inOrder: [ModelState.Queue: [Popped]] = [:]
    var attempts = 0
    /// Messages that the pulling group may give back, with their places in the log.
    var pulled: [(back: ModelState.Back, offset: Int64)] = []
    var givenBack: Set<ModelState.Back> = []
    /// Where the pulling group reads next, and what it has committed.
    var next: [ModelState.Queue: Int64] = [:]
    var committed: [ModelState.Queue: [Int64]] = [:]
    /// Since then it may stand where it stood a while ago.
    var wasKilled = false

    init(port: Int, seed: UInt64) {
        self.port = port
        random = SeededRandom(seed: seed)
        state.filter = ModelFilter.some.randomElement(using: &random) ?? .all
    }

    static func now() -> Int64 { SystemClock.wall().rawValue }

    func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
    func number(_ range: ClosedRange<Int64>) -> Int64 { Int64.random(in: range, using: &random) }

    var anyTopic: String { Self.topics[Int.random(in: 0..<Self.topics.count, using: &random)] }
    var anyQueue: Int { Int.random(in: 0..<Self.queueCount, using: &random) }

    // MARK: - Life

    func connect() throws {
        peers = try (0..<Self.peerCount).map { index in
            let peer = try ModelPeer(port: port) { [unowned self] in noticed($0, on: $1) }
            let answer = try peer.ask(.heartbeat("model@\(index)", producers: ["producers"]))
            guard answer.responseCode == .success else { throw TestFailure("\(answer)") }
            return peer
        }
        try checkOffsets()
    }

    /// Makes topics and groups.
    func prepare() throws {
        for topic in Self.topics { try expect(peers[0].ask(.topic(topic, queues: Self.queueCount))) }
        for name in ModelState.Group.allCases.map(\.rawValue) + ["pulling", "ordering"] {
            var group = SubscriptionGroupConfig(groupName: name)
            group.retryMaxTimes = Int(ModelState.retryMax)
            try expect(peers[0].ask(RemotingCommand(.updateAndCreateSubscriptionGroup, body: group.encoded())))
        }
    }

    private func expect(_ answer: RemotingCommand) throws {
        guard answer.responseCode == .success else { throw TestFailure("\(answer)") }
    }

    /// Rounds of several requests at once on several connections.
    func run(rounds: Int) throws {
        for _ in 0..<rounds where state.problems.isEmpty {
            for _ in 0..<Int.random(in: 1...6, using: &random) { step() }
            if chance(40) { orderStep() }
            try collect()
            if chance(3) { try resetPopping() }
        }
    }

    /// Requests that are under way when the broker is killed.
    func runInto() {
        for _ in 0..<Int.random(in: 0...6, using: &random) { step() }
        if chance(50) { orderStep() }
    }

    func collect() throws { for peer in peers { try peer.collect() } }

    func step() {
        let peer = Int.random(in: 0..<peers.count, using: &random)
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<15: send(.plain, by: peer)
        case 15..<20: sendBatch(by: peer)
        case 20..<26: send(.delayed, by: peer)
        case 26..<32: send(.timed, by: peer)
        case 32..<39: send(.half, by: peer)
        case 39..<43: end(peer)
        case 43..<46: recall(peer)
        case 46..<60: pop(peer)
        case 60..<70: ack(peer)
        case 70..<74: ackMany(peer)
        case 74..<79: change(peer)
        case 79..<86: pull(peer)
        case 86..<90: pullSome(peer)
        case 90..<95: giveBack(peer)
        default: commit(peer)
        }
    }

    /// The broker was killed.
    func killed(now: Int64) throws {
        wasKilled = true
        try collect()
        state.killed(now: now)
    }

    // MARK: - The end

    /// Lets everything come that is to come.
    func drain() throws {
        let deadline = Self.now() + 40_000
        while state.problems.isEmpty {
            for id in halves.keys.sorted() where !state.messages[id].isEnded { end(peers.count - 1, id) }
            try popAll()
            try finishInOrder()
            try pullAll()
            guard let missing = state.missing(Self.topics, progress: progress) else { return }
            if Self.now() > deadline { state.fail("in the end: \(missing.what) (\(standing))", missing.id) }
        }
    }

    /// Where the popping group stands, for a failure.
    private var standing: String {
        let queues = Self.topics.flatMap { topic in
            (0..<Self.queueCount).map { ModelState.Queue(topic: topic, id: $0) }
        }
        return ["popping", "choosing", "ordering"].map { group in
            let retries = Self.topics.map { ModelState.Queue(topic: "%RETRY%\(group)_\($0)", id: 0) }
            let places = (queues + retries).map { queue in
                let (at, end) = progress(group, queue)
                return "\(queue.topic)/\(queue.id) \(at ?? -1) of \(end)"
            }
            return "\(group): " + places.joined(separator: ", ")
        }.joined(separator: "; ")
    }

    func progress(_ group: String, _ queue: ModelState.Queue) -> (at: Int64?, end: Int64) {
        let at = try? peers[0].ask(.progress(queue.topic, queue: queue.id, group: group)).int64("offset")
        return (at, end(of: queue))
    }

    private func end(of queue: ModelState.Queue) -> Int64 {
        let request = RemotingCommand(.getMaxOffset, ["topic": queue.topic, "queueId": "\(queue.id)"])
        return (try? peers[0].ask(request).int64("offset")) ?? -1
    }

    private func popAll() throws {
        handles = []
        for topic in Self.topics {
            for group in ModelState.Group.allCases {
                take(try peers[0].ask(popping(group, topic, invisible: 30_000, poll: 100)), topic, by: group)
            }
        }
        while !handles.isEmpty { chance(50) ? ack(0) : ackMany(0) }
        try collect()
    }

    private func pullAll() throws {
        var queues = Self.topics.flatMap { topic in (0..<Self.queueCount).map { ModelState.Queue(topic: topic, id: $0) }
        }
        for name in ["%RETRY%pulling", "%DLQ%pulling", "%DLQ%popping", "%DLQ%choosing"] {
            queues.append(.init(topic: name, id: 0))
        }
        for queue in queues {
            while true {
                let offset = (state.contents[queue]?.keys.max() ?? -1) + 1
                let answer = try peers[0].ask(
                    .pull(queue.topic, queue: queue.id, from: offset, group: "pulling"))
                guard answer.responseCode == .success else { break }
                try see(answer, queue)
            }
        }
    }

    /// What lies in all queues, read anew from a broker that was started anew, is what must lie there.
    func audit() throws {
        guard state.problems.isEmpty else { return }
        let before = state.forgetContents()
        // Something that nobody waits for may still come while queues are read: it need not be seen.
        var ends: [ModelState.Queue: Int64] = [:]
        for queue in before.keys {
            ends[queue] = end(of: queue)
            if ends[queue] == -1 { state.fail("the end of \(queue) is not told") }
        }
        try pullAll()
        for (queue, places) in before {
            for (place, id) in places where state.contents[queue]?[place] != id {
                state.fail("m\(id) at \(place) of \(queue) is another one behind the restart")
            }
        }
        for queue in before.keys where !queue.topic.hasPrefix("%") {
            for filter in ModelFilter.some { try readAll(queue, through: filter) }
        }
        state.audit(ends)
    }

    private func readAll(_ queue: ModelState.Queue, through filter: ModelFilter) throws {
        var start: Int64 = 0
        while state.problems.isEmpty {
            let answer = try peers[0].ask(
                .pull(
                    queue.topic, queue: queue.id, from: start, group: "pulling", tags: filter.expression,
                    with: ["expressionType": filter.type]))
            see(answer, queue, through: filter, from: start)
            guard let next = answer.int64("nextBeginOffset"), next > start else { return }
            start = next
        }
    }
}
