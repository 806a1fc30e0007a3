/// What the groups that pop without order may see.
extension ModelState {
    /// Whether the group's filter lets the message through.
    func takes(_ group: Group, _ id: Int) -> Bool { group == .popping || filter.matches(messages[id]) }

    /// A pop that was answered at `now` has brought the message, which is invisible until `deadline`.
    mutating func popped(_ id: Int, by group: Group, attempt: Int32, stored: Int64, now: Int64, deadline: Int64) {
        let how = "popped by \(group) as attempt \(attempt)"
        guard seen(id, stored: stored, how) else { return }
        let pop = messages[id][group]
        if !takes(group, id) { fail("m\(id) is not what \(group) wants", id) }
        note(id, "\(how) at \(now) until \(deadline)")
        if !pop.mayRepeat {
            if pop.isDone { fail("m\(id) was acknowledged and comes again", id) }
            if pop.visibleFrom > now { fail("m\(id) is invisible for \(pop.visibleFrom - now) ms more", id) }
            if attempt <= pop.attempt { fail("m\(id) came as attempt \(pop.attempt) before", id) }
        }
        if attempt > Self.retryMax { fail("m\(id) has no more attempts, \(how)") }
        messages[id][group].attempt = attempt
        messages[id][group].visibleFrom = deadline
    }

    /// An ack of a handle that counts until `end` was answered with success at `now`; `nil`: it was not answered.
    mutating func acked(_ id: Int, by group: Group, until end: Int64, now: Int64?) {
        note(id, "acknowledged by \(group) until \(end), answered at \(now ?? -1)")
        if let now, now < end { messages[id][group].isDone = true } else { messages[id][group].mayBeDone = true }
    }

    /// A change of the invisible time of a handle that counts until `end` was answered at `now`; `nil`: it was not.
    /// - Returns: whether it counts for sure.
    mutating func changed(_ id: Int, by group: Group, until end: Int64, now: Int64?, deadline: Int64) -> Bool {
        note(id, "changed by \(group) until \(end), answered at \(now ?? -1): \(deadline)")
        let isSure = now.map { $0 < end } ?? false
        if messages[id][group].visibleFrom == end { messages[id][group].visibleFrom = isSure ? deadline : 0 }
        return isSure
    }

    /// An administrator has set a popping group to `offset`.
    mutating func reset(_ group: Group, _ queue: Queue, to offset: Int64) {
        var places: [Int: Int64] = [:]
        for (place, id) in contents[queue] ?? [:] { places[id] = place }
        for id in messages.indices where messages[id].topic == queue.topic && messages[id].queue == queue.id {
            messages[id][group].mayRepeat = true
            guard let place = messages[id].place ?? places[id] else {
                messages[id][group].isOptional = true  // it may lie there, and nobody has seen where
                continue
            }
            note(id, "\(group) reset to \(offset), lies at \(place)")
            messages[id][group].isOptional = place < offset
            guard place >= offset else { continue }
            messages[id][group].isDone = false
            messages[id][group].mayBeDone = false
        }
    }
}
