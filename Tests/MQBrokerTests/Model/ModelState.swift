/// What RocketMQ promises of each message, as far as answers tell. A plain value: what was asked and answered goes in,
/// contradictions come out as problems.
struct ModelState {
    enum Kind: String {
        case plain, delayed, timed, half
    }

    /// A group that pops. Each has the filter that its course chose.
    enum Group: String, CaseIterable {
        /// Takes everything.
        case popping
        /// Takes what its filter lets through.
        case choosing
    }

    /// One message. Its number is its body.
    struct Message {
        let id: Int
        let topic: String
        let queue: Int
        let kind: Kind
        /// Not to be seen before, ms since 1970.
        var notBefore: Int64
        /// How long behind its commit, ms.
        var delay: Int64 = 0
        /// Whether its transaction is to be committed.
        let commits: Bool
        /// Its send, or its half's, was answered with success.
        var isAcknowledged = false
        /// A commit or rollback was answered with success.
        var isEnded = false
        /// A commit went out.
        var mayBeCommitted = false
        /// Where the answer says it lies.
        var place: Int64?
        /// A kill may have stored it twice: at-least-once.
        var mayHaveCopies = false
        /// Whether it was taken back.
        var recall = Recall.none
        var pops: [Group: Popping] = [:]

        subscript(group: Group) -> Popping {
            get { pops[group] ?? Popping() }
            set { pops[group] = newValue }
        }
    }

    /// What became of a request to take a timed message back.
    enum Recall {
        case none
        /// It came late, or its answer is missing: the message may come.
        case possible
        /// It was answered well before the message's time: it must not come.
        case certain
    }

    /// A message, as a popping group sees it.
    struct Popping {
        /// Invisible until then, ms since 1970.
        var visibleFrom: Int64 = 0
        /// Acknowledged in time: it must not come again.
        var isDone = false
        /// An ack was late or not answered: either may be.
        var mayBeDone = false
        /// The attempt it came with last.
        var attempt: Int32 = -1
        /// A kill or a reset may bring it again, whatever was acknowledged.
        var mayRepeat = false
        /// A reset has passed over it.
        var isOptional = false
    }

    /// A message that a pulling group has given back, by the attempt it was.
    struct Back: Hashable {
        let id: Int
        let attempt: Int32
    }

    /// A queue of a topic.
    struct Queue: Hashable {
        let topic: String
        let id: Int
    }

    /// Attempts after the first.
    static let retryMax: Int32 = 2

    /// What the choosing group takes.
    var filter = ModelFilter.all
    /// What the ordering group knows of each queue.
    var orders: [Queue: Order] = [:]
    var messages: [Message] = []
    /// Messages that were given back: when they may come at the earliest, of those that were answered.
    private(set) var backs: [Back: Int64] = [:]
    /// Those whose answers are missing or that a kill may have doubled.
    private(set) var vagueBacks: Set<Back> = []
    /// What was seen where.
    private(set) var contents: [Queue: [Int64: Int]] = [:]
    /// Attempts that were seen in the topics of the pulling group.
    private(set) var attempts: [Back: Int] = [:]
    /// The last place that each producer was told, by queue.
    private var last: [Queue: [Int: Int64]] = [:]
    private(set) var problems: [String] = []
    /// What happened to each message, for failures.
    private var histories: [Int: [String]] = [:]

    /// Something is not as it must be.
    /// - Parameter id: the message whose course explains it.
    mutating func fail(_ problem: String, _ id: Int? = nil) {
        guard let id, let history = histories[id] else { return problems.append(problem) }
        problems.append(problem + "; " + history.joined(separator: "; "))
    }

    mutating func note(_ id: Int, _ event: String) { histories[id, default: []].append(event) }

    // MARK: - Sends

    mutating func add(_ kind: Kind, _ topic: String, _ queue: Int, notBefore: Int64 = 0, commits: Bool = true) -> Int {
        messages.append(
            Message(
                id: messages.count, topic: topic, queue: queue, kind: kind, notBefore: notBefore, commits: commits))
        return messages.count - 1
    }

    /// A send was answered with success.
    mutating func sent(_ id: Int, at place: Int64?, by producer: Int) {
        messages[id].isAcknowledged = true
        guard messages[id].kind == .plain, let place else { return }
        messages[id].place = place
        let queue = Queue(topic: messages[id].topic, id: messages[id].queue)
        if let before = last[queue]?[producer], place <= before {
            fail("m\(id) of one producer lies at \(place) of \(queue), an earlier one at \(before)")
        }
        last[queue, default: [:]][producer] = place
    }

    /// An end goes out: a delay begins with the first one at the earliest.
    mutating func ending(_ id: Int, now: Int64) {
        guard messages[id].commits else { return }
        if !messages[id].mayBeCommitted { messages[id].notBefore = now + messages[id].delay }
        messages[id].mayBeCommitted = true
    }

    mutating func ended(_ id: Int) {
        messages[id].isAcknowledged = true
        messages[id].isEnded = true
    }

    /// Well before a timed message's time, ms: what is answered by then must count.
    static let recallMargin: Int64 = 500

    /// A recall was answered with success; `nil`: it was not answered.
    mutating func recalled(_ id: Int, at now: Int64?) {
        note(id, "recalled at \(now ?? -1), due at \(messages[id].notBefore)")
        let isCertain = now.map { $0 + Self.recallMargin < messages[id].notBefore } ?? false
        messages[id].recall = isCertain ? .certain : .possible
    }

    // MARK: - What is seen

    /// A consumer got the message at `now`.
    mutating func seen(_ id: Int, stored: Int64, _ how: String) -> Bool {
        guard messages.indices.contains(id) else {
            fail("m\(id) was never sent, \(how)")
            return false
        }
        let message = messages[id]
        if stored < message.notBefore {
            fail("\(message.kind) m\(id) is early by \(message.notBefore - stored) ms, \(how)")
        }
        if message.recall == .certain { fail("m\(id) was taken back and is seen, \(how)", id) }
        if message.kind == .half, !message.mayBeCommitted { fail("half m\(id) is seen and was not committed, \(how)") }
        return true
    }

    /// A pull has brought it.
    mutating func pulled(_ id: Int, in queue: Queue, at offset: Int64, attempt: Int32, stored: Int64) {
        let how = "pulled from \(queue.topic)/\(queue.id) at \(offset)"
        guard seen(id, stored: stored, how) else { return }
        if let before = contents[queue]?[offset] {
            if before != id { fail("m\(id) lies where m\(before) lay, \(how)") }
            return
        }
        contents[queue, default: [:]][offset] = id
        guard queue.topic.hasPrefix("%") else {
            if queue != Queue(topic: messages[id].topic, id: messages[id].queue) {
                fail("m\(id) lies elsewhere, \(how)")
            }
            if let place = messages[id].place, place != offset { fail("m\(id) was to lie at \(place), \(how)") }
            return
        }
        guard queue.topic.hasSuffix("pulling") else { return }
        let back = Back(id: id, attempt: attempt - 1)
        attempts[back, default: 0] += 1
        note(id, "came back as attempt \(attempt), \(how), stored at \(stored)")
        if let due = backs[back], stored < due { fail("m\(id) came back early by \(due - stored) ms, \(how)") }
        if backs[back] == nil, !vagueBacks.contains(back) { fail("m\(id) was not given back, \(how)") }
        let isDead = queue.topic.hasPrefix("%DLQ%")
        if isDead != (back.attempt >= Self.retryMax) {
            fail("attempt \(attempt) of m\(id) lies in the wrong topic, \(how)")
        }
    }

    /// Forgets what was seen, so that it is looked at anew.
    mutating func forgetContents() -> [Queue: [Int64: Int]] {
        defer { (contents, attempts) = ([:], [:]) }
        return contents
    }

    // MARK: - Giving back

    mutating func givingBack(_ back: Back) { vagueBacks.insert(back) }

    mutating func gaveBack(_ back: Back, due: Int64) {
        vagueBacks.remove(back)
        backs[back] = min(backs[back] ?? due, due)
    }

    // MARK: - Kills

    /// A pop of the topic was not answered: what it took is on its way unknown to us, and may be over before the next kill.
    mutating func lostPop(_ topic: String, _ group: Group) {
        for id in messages.indices where messages[id].topic == topic && !messages[id][group].isDone {
            messages[id][group].mayRepeat = true
        }
    }

    /// The broker was killed at `now`: what it had done and not written down it may do again.
    mutating func killed(now: Int64) {
        for queue in orders.keys { orders[queue]?.history.append("kill at \(now)") }
        for id in messages.indices {
            note(id, "kill at \(now)")
            if messages[id].kind != .plain {
                messages[id].mayHaveCopies = true
                for group in Group.allCases { messages[id][group].mayRepeat = true }
            }
            // It may lie in the retry topic by now, and the journal may not say so.
            for (group, pop) in messages[id].pops where !pop.isDone && pop.attempt >= 0 && pop.visibleFrom <= now {
                messages[id][group].mayRepeat = true
            }
        }
        vagueBacks.formUnion(backs.keys)
    }
}
