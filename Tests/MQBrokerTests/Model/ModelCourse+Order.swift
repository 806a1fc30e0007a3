import MQBase
import MQBytes
import MQJSON
import MQMessage
import MQProtocol
import MQTestKit

@testable import MQBroker

/// The group that pops in order. One of its requests is under way at a time.
extension ModelCourse {
    func orderStep() {
        let peer = Int.random(in: 0..<peers.count, using: &random)
        switch number(0...9) {
        case 0..<5: popInOrder(peer)
        case 5..<8: ackInOrder(peer)
        default: changeInOrder(peer)
        }
    }

    /// - Parameters:
    ///   - invisible: ms; at random without it.
    ///   - poll: how long it may wait, ms.
    func popInOrder(_ peer: Int, _ chosen: String? = nil, invisible: Int64? = nil, poll: Int64 = 0) {
        let topic = chosen ?? anyTopic
        if chance(60) { attempts += 1 }
        let attempt = chance(80) ? "attempt\(attempts)" : nil
        let request = RemotingCommand.pop(
            topic, queue: chosen == nil && chance(50) ? anyQueue : -1, group: "ordering", max: Int(number(1...8)),
            invisible: invisible ?? number(400...1500), poll: poll, order: true, with: ["attemptId": attempt])
        peers[peer].post(request) { [unowned self] answer in
            guard let answer else { return state.lostOrder(topic) }
            guard answer.responseCode == .success else {
                if answer.responseCode != .pollingTimeout { refused("a pop in order", answer) }
                return
            }
            guard let found = try? Popped.all(answer, topic: topic) else {
                return state.fail("an ordered pop's answer is unreadable")
            }
            takeInOrder(found, topic, attempt)
        }
    }

    private func takeInOrder(_ found: [Popped], _ topic: String, _ attempt: String?) {
        for (queueID, messages) in Dictionary(grouping: found, by: \.queue) {
            let queue = ModelState.Queue(topic: topic, id: queueID)
            var open: [ModelState.Open] = []
            var popTime: Int64 = 0
            for message in messages {
                let id = Int(message.text) ?? -1
                guard state.seen(id, stored: message.message.record.storeTimestamp.rawValue, "popped in order") else {
                    return
                }
                popTime = Int64(message.parts[1]) ?? 0
                let end = popTime + (Int64(message.parts[2]) ?? 0)
                open.append(ModelState.Open(id: id, place: message.offset, visibleFrom: end, count: message.times))
            }
            state.poppedInOrder(open, of: queue, attemptID: attempt, popTime: popTime)
            inOrder[queue] = messages
        }
    }

    /// A message of the last pop of a queue that has some.
    private func anyInOrder() -> (queue: ModelState.Queue, open: ModelState.Open, popped: Popped)? {
        let queues = inOrder.keys.sorted { ($0.topic, $0.id) < ($1.topic, $1.id) }
        guard let queue = queues.randomElement(using: &random),
            let message = inOrder[queue]?.randomElement(using: &random),
            let open = state.orders[queue]?.open.first(where: { $0.place == message.offset })
        else { return nil }
        return (queue, open, message)
    }

    private func ackInOrder(_ peer: Int) {
        guard let (queue, open, message) = anyInOrder() else { return }
        if chance(40), let all = inOrder[queue] {
            return ackInOrder(peer, queue, all.filter { $0.offset <= message.offset })
        }
        peers[peer].post(.ack(message, group: "ordering")) { [unowned self] answer in
            if let answer, answer.responseCode != .success { return refused("an ordered ack of m\(open.id)", answer) }
            state.ackedInOrder(open, of: queue, now: answer.map { _ in Self.now() })
        }
    }

    /// Acknowledges several with one request.
    func ackInOrder(_ peer: Int, _ queue: ModelState.Queue, _ messages: [Popped]) {
        let open = (state.orders[queue]?.open ?? []).filter { one in messages.contains { $0.offset == one.place } }
        guard !open.isEmpty else { return }
        guard let request = try? RemotingCommand.batchAck(messages, group: "ordering") else {
            return state.fail("no batch ack can be made")
        }
        peers[peer].post(request) { [unowned self] answer in
            if let answer, answer.responseCode != .success { return refused("a batch ack in order", answer) }
            for one in open { state.ackedInOrder(one, of: queue, now: answer.map { _ in Self.now() }) }
        }
    }

    private func changeInOrder(_ peer: Int) {
        guard let (queue, open, message) = anyInOrder() else { return }
        peers[peer].post(.change(message, to: number(300...1200), group: "ordering")) { [unowned self] answer in
            guard let answer else { return state.changedInOrder(open, of: queue, visibleFrom: 0) }
            guard answer.responseCode == .success, let time = answer.int64("popTime"),
                let invisible = answer.int64("invisibleTime")
            else { return refused("a new ordered time for m\(open.id)", answer) }
            // Behind the group's progress nothing is changed, and it answers 0.
            let isSure = state.orders[queue]?.isVague == false && time > 0 && Self.now() < open.visibleFrom
            state.changedInOrder(open, of: queue, visibleFrom: isSure ? time + invisible : 0)
        }
    }

    /// Pops and acknowledges what is there.
    func finishInOrder() throws {
        for topic in Self.topics {
            inOrder = [:]
            popInOrder(0, topic, invisible: 30_000, poll: 50)
            try collect()
            for (queue, messages) in inOrder { ackInOrder(0, queue, messages) }
            try collect()
        }
    }
}

extension RemotingCommand {
    /// One request for many acks. Source: `MQClientAPIImpl.java` `batchAckMessage`, RocketMQ 5.3.
    static func batchAck(_ messages: [Popped], group: String) throws -> RemotingCommand {
        let spans = Dictionary(grouping: messages) { message in
            (message.parts[0..<5] + [message.parts[6], message.topic]).joined(separator: " ")
        }
        let acks = spans.map { key, messages -> JSON in
            let parts = key.split(separator: " ").map(String.init)
            let start = Int64(parts[0]) ?? 0
            let bits = messages.map { Int($0.offset - start) }
            var set = [UInt8](repeating: 0, count: (bits.max() ?? 0) / 8 + 1)
            for bit in bits { set[bit / 8] |= 1 << UInt8(bit % 8) }
            return [
                "c": .string(group), "t": .string(parts[6]), "r": .string(parts[4]), "so": .integer(start),
                "q": .integer(Int64(parts[5]) ?? 0), "rq": .integer(Int64(parts[3]) ?? 0),
                "pt": .integer(Int64(parts[1]) ?? 0), "it": .integer(Int64(parts[2]) ?? 0),
                "b": .string(Base64.standard.encode(set.span).span.toString()),
            ]
        }
        let body = try BatchAckBody(json: ["brokerName": "broker-a", "acks": .array(acks)])
        return RemotingCommand(.batchAckMessage, body: body.encoded())
    }
}
