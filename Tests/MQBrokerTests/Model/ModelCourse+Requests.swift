import MQBase
import MQBytes
import MQMessage
import MQProtocol
import MQTestKit

@testable import MQBroker

/// The requests of a course, and what their answers mean to the model.
extension ModelCourse {
    func refused(_ what: String, _ answer: RemotingCommand) {
        state.fail("\(what) is refused: \(answer.code) \(answer.remark ?? "")")
    }

    // MARK: - Producers

    func send(_ kind: ModelState.Kind, by peer: Int) {
        let (topic, queue, now) = (anyTopic, anyQueue, Self.now())
        var properties = ""
        var notBefore: Int64 = 0
        switch kind {
        case .plain: break
        case .delayed:
            let level = Int(number(1...3))
            properties += "DELAY\u{1}\(level)\u{2}"
            notBefore = now + Self.levels[level - 1]
        case .timed:
            let delay = chance(50) ? number(1...1500) : number(1500...4000)
            notBefore = now + delay
            properties += chance(50) ? "TIMER_DELAY_MS\u{1}\(delay)\u{2}" : "TIMER_DELIVER_MS\u{1}\(notBefore)\u{2}"
        case .half: break
        }
        let id = state.add(kind, topic, queue, notBefore: notBefore, commits: kind != .half || chance(60))
        if kind == .half, chance(40) {
            // The delay begins with the commit.
            let level = Int(number(1...3))
            let isLevel = chance(50)
            let delay = isLevel ? Self.levels[level - 1] : number(1...1500)
            properties += isLevel ? "DELAY\u{1}\(level)\u{2}" : "TIMER_DELAY_MS\u{1}\(delay)\u{2}"
            state.messages[id].delay = delay
        }
        properties += state.messages[id].properties
        let request: RemotingCommand =
            kind == .half
            ? .half(topic, "\(id)", queue: queue, properties: properties)
            : .put(topic, "\(id)", queue: queue, properties: properties)
        peers[peer].post(request) { [unowned self] answer in
            guard let answer else { return }
            guard answer.responseCode == .success else { return refused("\(kind) m\(id)", answer) }
            state.sent(id, at: answer.int64("queueOffset"), by: peer)
            if kind == .half { halves[id] = answer }
            if kind == .timed { recalls[id] = answer["recallHandle"] }
        }
    }

    func sendBatch(by peer: Int) {
        let (topic, queue) = (anyTopic, anyQueue)
        let ids = (0..<Int.random(in: 2...5, using: &random)).map { _ in state.add(.plain, topic, queue) }
        var body = ByteBuffer()
        for id in ids {
            let (text, properties) = (Array("\(id)".utf8), Array(state.messages[id].properties.utf8))
            body.append(bigEndian: Int32(4 + 4 + 4 + 4 + 4 + text.count + 2 + properties.count))
            for number: Int32 in [0, 0, 0, Int32(text.count)] { body.append(bigEndian: number) }
            body.append(text)
            body.append(bigEndian: Int16(properties.count))
            body.append(properties)
        }
        var request = RemotingCommand.put(topic, queue: queue, with: ["m": "true"])
        request.body = body.toArray()
        peers[peer].post(request) { [unowned self] answer in
            guard let answer else { return }
            guard answer.responseCode == .success, let first = answer.int64("queueOffset") else {
                return refused("a batch of \(ids)", answer)
            }
            for (index, id) in ids.enumerated() { state.sent(id, at: first + Int64(index), by: peer) }
        }
    }

    /// Takes a timed message back. Its answer counts for sure only if that was well before the message's time.
    func recall(_ peer: Int) {
        guard let id = recalls.keys.sorted().randomElement(using: &random), let handle = recalls.removeValue(forKey: id)
        else { return }
        let request = RemotingCommand(
            .recallMessage,
            ["producerGroup": "producers", "topic": state.messages[id].topic, "recallHandle": handle])
        peers[peer].post(request) { [unowned self] answer in
            guard let answer else { return state.recalled(id, at: nil) }
            if answer.responseCode == .success { return state.recalled(id, at: Self.now()) }
            // Its slot, which begins up to a slot's length before its time, may have come.
            if answer.responseCode != .illegalOperation || Self.now() + 200 < state.messages[id].notBefore {
                refused("the recall of m\(id)", answer)
            }
        }
    }

    func end(_ peer: Int) {
        let open = halves.keys.sorted().filter { !state.messages[$0].isEnded }
        guard let id = open.randomElement(using: &random) else { return }
        end(peer, id)
    }

    func end(_ peer: Int, _ id: Int) {
        guard let half = halves[id] else { return }
        if chance(15) { return peers[peer].tell(.end(half, 0)) }
        end(.end(half, state.messages[id].commits ? 8 : 12), id, on: peers[peer])
    }

    private func end(_ request: RemotingCommand, _ id: Int, on peer: ModelPeer) {
        state.ending(id, now: Self.now())
        peer.post(request) { [unowned self] answer in
            guard let answer else { return }
            // It may be over already: every end of a message says the same.
            guard answer.responseCode == .success || answer.responseCode == .illegalOperation else {
                return refused("the end of m\(id)", answer)
            }
            if answer.responseCode == .success { state.ended(id) }
            if answer.remark?.hasPrefix("the transaction is over") == true, state.messages[id].mayBeCommitted {
                state.ended(id)
            }
        }
    }

    /// The broker asks something: about transactions, most of the time it hears.
    func noticed(_ notice: RemotingCommand, on peer: ModelPeer) {
        guard notice.code == RequestCode.checkTransactionState.rawValue, chance(70),
            let message = try? Pulled.all(notice).first, let id = Int(message.text)
        else { return }
        var request = RemotingCommand(
            .endTransaction,
            [
                "producerGroup": "producers", "tranStateTableOffset": notice["tranStateTableOffset"] ?? "",
                "commitLogOffset": notice["commitLogOffset"] ?? "", "fromTransactionCheck": "true",
                "commitOrRollback": state.messages[id].commits ? "8" : "12",
            ])
        request["msgId"] = notice["msgId"]
        end(request, id, on: peer)
    }

    // MARK: - The pulling group

    func pull(_ peer: Int) {
        var queue = ModelState.Queue(topic: anyTopic, id: anyQueue)
        if chance(30) { queue = ModelState.Queue(topic: "%RETRY%pulling", id: 0) }
        let from = next[queue] ?? 0
        let start = chance(20) ? number(0...from) : from
        peers[peer].post(.pull(queue.topic, queue: queue.id, from: start, group: "pulling")) { [unowned self] answer in
            guard let answer, answer.responseCode == .success else { return }
            do { try see(answer, queue) } catch { state.fail("a pull's answer is unreadable: \(error)") }
            next[queue] = max(next[queue] ?? 0, answer.int64("nextBeginOffset") ?? 0)
        }
    }

    func see(_ answer: RemotingCommand, _ queue: ModelState.Queue) throws {
        for message in try Pulled.all(answer) {
            let record = message.record
            let id = Int(message.text) ?? -1
            state.pulled(
                id, in: queue, at: record.queueOffset, attempt: record.reconsumeTimes,
                stored: record.storeTimestamp.rawValue)
            guard !queue.topic.hasPrefix("%DLQ%") else { continue }
            pulled.append((ModelState.Back(id: id, attempt: record.reconsumeTimes), record.physicalOffset))
            if pulled.count > 100 { pulled.removeFirst() }
        }
    }

    /// A pull with a filter.
    func pullSome(_ peer: Int) {
        let queue = ModelState.Queue(topic: anyTopic, id: anyQueue)
        let filter = ModelFilter.some.randomElement(using: &random) ?? .all
        let start = number(0...(next[queue] ?? 0))
        let request = RemotingCommand.pull(
            queue.topic, queue: queue.id, from: start, group: "pulling", tags: filter.expression,
            with: ["expressionType": filter.type])
        peers[peer].post(request) { [unowned self] answer in
            guard let answer else { return }
            see(answer, queue, through: filter, from: start)
        }
    }

    func see(_ answer: RemotingCommand, _ queue: ModelState.Queue, through filter: ModelFilter, from start: Int64) {
        guard [.success, .pullRetryImmediately, .pullNotFound].contains(answer.responseCode) else {
            if answer.responseCode != .pullOffsetMoved { refused("a pull with a filter", answer) }
            return
        }
        do {
            let found = answer.responseCode == .success ? try Pulled.all(answer) : []
            let next = answer.responseCode == .pullNotFound ? start : answer.int64("nextBeginOffset") ?? start
            state.pulled(
                found.map { (Int($0.text) ?? -1, $0.record.queueOffset) }, with: filter, in: queue, from: start,
                next: next)
        } catch {
            state.fail("a filtered pull's answer is unreadable: \(error)")
        }
    }

    func giveBack(_ peer: Int) {
        guard let (back, offset) = pulled.randomElement(using: &random), givenBack.insert(back).inserted else { return }
        let level = Int(number(0...3))
        let due = Self.now() + (level == 0 ? 1000 : Self.levels[level - 1])
        state.givingBack(back)
        let request = RemotingCommand.sendBack(
            offset, group: "pulling", level: level, max: Int(ModelState.retryMax))
        peers[peer].post(request) { [unowned self] answer in
            guard let answer else { return }
            guard answer.responseCode == .success else { return refused("giving m\(back.id) back", answer) }
            state.note(
                back.id, "attempt \(back.attempt) at \(offset) given back, level \(level), answered at \(Self.now())")
            state.gaveBack(back, due: back.attempt >= ModelState.retryMax ? 0 : due)
        }
    }

    func commit(_ peer: Int) {
        let queue = ModelState.Queue(topic: anyTopic, id: anyQueue)
        let offset = number(0...(next[queue] ?? 0))
        let request = RemotingCommand(
            .updateConsumerOffset,
            [
                "consumerGroup": "pulling", "topic": queue.topic, "queueId": "\(queue.id)",
                "commitOffset": "\(offset)",
            ])
        peers[peer].post(request) { [unowned self] answer in
            // One that was not answered may count, too.
            committed[queue, default: []].append(offset)
            if let answer, answer.responseCode != .success { refused("a commit", answer) }
        }
    }

    /// The group stands where it once said: what it said last, unless the broker was killed since.
    func checkOffsets() throws {
        for (queue, offsets) in committed {
            let answer = try peers[0].ask(.progress(queue.topic, queue: queue.id, group: "pulling"))
            let offset = answer.int64("offset")
            if let offset, offsets.contains(offset) { continue }
            if offset == nil || offset == 0, wasKilled { continue }
            state.fail("the pulling group stands at \(offset ?? -1) of \(queue), which it never said")
        }
    }
}
