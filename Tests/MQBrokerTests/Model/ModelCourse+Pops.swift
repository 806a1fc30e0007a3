import MQBase
import MQMessage
import MQProtocol
import MQTestKit

@testable import MQBroker

/// The groups that pop without order.
extension ModelCourse {
    func popping(
        _ group: ModelState.Group, _ topic: String, queue: Int = -1, max: Int = 32, invisible: Int64, poll: Int64
    ) -> RemotingCommand {
        let filter = group == .popping ? ModelFilter.all : state.filter
        return .pop(
            topic, queue: queue, group: group.rawValue, max: max, invisible: invisible, poll: poll,
            with: ["expType": filter.type, "exp": filter.expression])
    }

    func pop(_ peer: Int) {
        let (topic, group) = (anyTopic, chance(60) ? ModelState.Group.popping : .choosing)
        let request = popping(
            group, topic, queue: chance(70) ? -1 : anyQueue, max: Int(number(1...8)), invisible: number(400...1500),
            poll: chance(30) ? number(1...150) : 0)
        peers[peer].post(request) { [unowned self] answer in
            guard let answer else { return state.lostPop(topic, group) }
            take(answer, topic, by: group)
        }
    }

    func take(_ answer: RemotingCommand, _ topic: String, by group: ModelState.Group) {
        let now = Self.now()
        guard answer.responseCode == .success else {
            if answer.responseCode != .pollingTimeout { refused("a pop", answer) }
            return
        }
        guard let found = try? Popped.all(answer, topic: topic) else {
            return state.fail("a pop's answer is unreadable")
        }
        for message in found {
            let (id, record) = (Int(message.text) ?? -1, message.message.record)
            let deadline = (Int64(message.parts[1]) ?? 0) + (Int64(message.parts[2]) ?? 0)
            state.popped(
                id, by: group, attempt: record.reconsumeTimes, stored: record.storeTimestamp.rawValue, now: now,
                deadline: deadline)
            handles.append(Handle(id: id, group: group, popped: message, deadline: deadline))
        }
    }

    private func anyHandle() -> Handle? {
        guard !handles.isEmpty else { return nil }
        return handles.remove(at: Int.random(in: 0..<handles.count, using: &random))
    }

    func ack(_ peer: Int) {
        guard let handle = anyHandle() else { return }
        peers[peer].post(.ack(handle.popped, group: handle.group.rawValue)) { [unowned self] answer in
            if let answer, answer.responseCode != .success { return refused("an ack of m\(handle.id)", answer) }
            state.acked(handle.id, by: handle.group, until: handle.deadline, now: answer.map { _ in Self.now() })
        }
    }

    /// Several acks with one request.
    func ackMany(_ peer: Int) {
        var chosen: [Handle] = []
        let count = number(1...6)
        while Int64(chosen.count) < count, let handle = anyHandle() {
            guard chosen.allSatisfy({ $0.group == handle.group }) else {
                handles.append(handle)
                break
            }
            chosen.append(handle)
        }
        guard let group = chosen.first?.group,
            let request = try? RemotingCommand.batchAck(chosen.map(\.popped), group: group.rawValue)
        else { return }
        peers[peer].post(request) { [unowned self] answer in
            if let answer, answer.responseCode != .success { return refused("a batch ack", answer) }
            for handle in chosen {
                state.acked(handle.id, by: group, until: handle.deadline, now: answer.map { _ in Self.now() })
            }
        }
    }

    func change(_ peer: Int) {
        guard var handle = anyHandle() else { return }
        let (id, group, end) = (handle.id, handle.group, handle.deadline)
        let request = RemotingCommand.change(handle.popped, to: number(300...1200), group: group.rawValue)
        peers[peer].post(request) { [unowned self] answer in
            guard let answer else {
                _ = state.changed(id, by: group, until: end, now: nil, deadline: 0)
                return
            }
            guard answer.responseCode == .success, let time = answer.int64("popTime"),
                let invisible = answer.int64("invisibleTime")
            else { return refused("a new time for m\(id)", answer) }
            let isSure = state.changed(id, by: group, until: end, now: Self.now(), deadline: time + invisible)
            guard isSure else { return }
            var parts = handle.popped.parts
            (parts[0], parts[1], parts[2]) = (parts[7], String(time), String(invisible))
            handle.popped.handle = parts.joined(separator: " ")
            handle.deadline = time + invisible
            handles.append(handle)
        }
    }

    /// An administrator sets the popping group back or forth. By itself: nothing else is under way.
    func resetPopping() throws {
        let queue = ModelState.Queue(topic: anyTopic, id: anyQueue)
        let end =
            try peers[0].ask(
                RemotingCommand(.getMaxOffset, ["topic": queue.topic, "queueId": "\(queue.id)"])
            ).int64("offset") ?? 0
        let offset = number(0...end)
        let answer = try peers[0].ask(
            RemotingCommand(
                .invokeBrokerToResetOffset,
                [
                    "group": "popping", "topic": queue.topic, "queueId": "\(queue.id)", "offset": "\(offset)",
                    "timestamp": "-1", "isForce": "true",
                ]))
        guard answer.responseCode == .success else { return refused("a reset", answer) }
        handles.removeAll { $0.popped.topic == queue.topic && $0.group == .popping }
        state.reset(.popping, queue, to: offset)
        // The reset counts from the group's next pop on.
        take(
            try peers[0].ask(popping(.popping, queue.topic, queue: queue.id, max: 1, invisible: 500, poll: 0)),
            queue.topic, by: .popping)
    }
}
