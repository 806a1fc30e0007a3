/// What must hold in the end, when everything that was due has come.
extension ModelState {
    /// Something that has not come yet; `nil`: all has.
    /// - Parameter progress: where the popping group stands in a queue, and where that ends.
    func missing(
        _ topics: [String], progress: (String, Queue) -> (at: Int64?, end: Int64)
    ) -> (what: String, id: Int?)? {
        let placed = Set(contents.filter { !$0.key.topic.hasPrefix("%") }.flatMap(\.value.values))
        for message in messages where isDue(message) && !placed.contains(message.id) {
            return ("\(message.kind) m\(message.id) has not come", message.id)
        }
        for back in backs.keys where attempts[back] == nil {
            return ("m\(back.id), given back as attempt \(back.attempt), has not come again", back.id)
        }
        for group in Group.allCases {
            let dead = dead(group)
            for message in messages where placed.contains(message.id) && takes(group, message.id) {
                let pop = message[group]
                if !pop.isOptional, !pop.isDone, !pop.mayBeDone, !dead.contains(message.id) {
                    return ("m\(message.id) is neither consumed by \(group) nor dead", message.id)
                }
            }
        }
        for group in Group.allCases.map(\.rawValue) + ["ordering"] {
            for queue in contents.keys where topics.contains(queue.topic) {
                let (at, end) = progress(group, queue)
                if at != end { return ("\(group) stands at \(at ?? -1) of \(end) in \(queue)", nil) }
            }
        }
        return nil
    }

    private func isDue(_ message: Message) -> Bool {
        message.isAcknowledged && message.recall == .none
            && (message.kind != .half || message.isEnded && message.commits)
    }

    /// Messages among the dead letters of a popping group.
    func dead(_ group: Group) -> Set<Int> {
        Set(contents[Queue(topic: "%DLQ%\(group)", id: 0)]?.values.map { $0 } ?? [])
    }

    /// Compares what lies in all queues with what was answered. `ends` are the queues' ends, or were a moment ago.
    mutating func audit(_ ends: [Queue: Int64]) {
        var copies: [Int: Int] = [:]
        for (queue, places) in contents {
            let missing = (0..<(ends[queue] ?? 0)).filter { places[$0] == nil }
            if !missing.isEmpty { fail("\(missing) of \(places.count) messages of \(queue) cannot be read") }
            guard !queue.topic.hasPrefix("%") else { continue }
            for id in places.values { copies[id, default: 0] += 1 }
        }
        for message in messages {
            let count = copies[message.id] ?? 0
            if count > 1, !message.mayHaveCopies {
                fail("\(message.kind) m\(message.id) lies \(count) times", message.id)
            }
            if count == 0, isDue(message) { fail("\(message.kind) m\(message.id) was acknowledged and is lost") }
        }
        for (back, count) in attempts where count > 1 && !vagueBacks.contains(back) {
            fail("m\(back.id), given back once, came \(count) times")
        }
        for group in Group.allCases {
            for id in dead(group) where messages[id][group].isDone && !messages[id][group].mayRepeat {
                fail("m\(id) was acknowledged by \(group) and lies among the dead letters", id)
            }
        }
    }
}
