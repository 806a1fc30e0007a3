/// What the group that pops in order may see: a queue's messages by rising place, none passed over that is not
/// acknowledged, none behind one that is on its way, none again that was acknowledged.
extension ModelState {
    /// One queue, as the ordering group sees it.
    struct Order {
        /// Messages of the last pop.
        var open: [Open] = []
        /// Who asked for them.
        var attemptID: String?
        /// Acknowledged for sure.
        var acked: Set<Int64> = []
        /// Maybe.
        var mayBeAcked: Set<Int64> = []
        /// A pop was not answered: others may be on their way.
        var isVague = false
        /// What happened, for failures.
        var history: [String] = []
    }

    /// A message that is on its way to the ordering group.
    struct Open {
        let id: Int
        let place: Int64
        /// ms since 1970.
        var visibleFrom: Int64
        /// How often it came before.
        let count: Int32
    }

    /// A pop of the broker's time `popTime` has brought these of a queue.
    mutating func poppedInOrder(_ found: [Open], of queue: Queue, attemptID: String?, popTime: Int64) {
        var order = orders[queue] ?? Order()
        let places = found.map(\.place)
        order.history.append("popped \(places) at \(popTime), attempt \(attemptID ?? "-")")
        let what = "\(places) of \(queue)"
        guard let last = places.last, places == Array(Set(places)).sorted() else {
            return fail("places \(what) do not rise")
        }
        var next: Int64 = 0
        while order.acked.contains(next) { next += 1 }
        let taken = Set(places)
        if next < last {
            for place in next..<last
            where !taken.contains(place) && !order.acked.contains(place) && !order.mayBeAcked.contains(place) {
                fail("\(place) is passed over by \(what); " + order.history.joined(separator: ", "))
            }
        }
        let isAgain = attemptID != nil && attemptID == order.attemptID
        for message in found {
            if order.acked.contains(message.place) {
                fail(
                    "m\(message.id) was acknowledged in order and comes again; " + order.history.joined(separator: ", ")
                )
            }
            guard !order.isVague, let before = order.open.first(where: { $0.place == message.place }) else { continue }
            let count = isAgain ? before.count : before.count + 1
            if message.count != count {
                fail(
                    "m\(message.id) counts \(message.count), not \(count); " + order.history.joined(separator: ", "))
            }
        }
        if !order.isVague, !isAgain {
            for message in order.open
            where message.visibleFrom > popTime && !order.acked.contains(message.place)
                && !order.mayBeAcked.contains(message.place)
            {
                fail(
                    "m\(message.id) is on its way until \(message.visibleFrom), and \(what) came; "
                        + order.history.joined(separator: ", "))
            }
        }
        order.open = found
        order.attemptID = attemptID
        order.isVague = false
        orders[queue] = order
    }

    /// A pop in order of the topic was not answered.
    mutating func lostOrder(_ topic: String) {
        for queue in orders.keys where queue.topic == topic {
            orders[queue]?.isVague = true
            orders[queue]?.history.append("a pop without an answer")
        }
    }

    /// An ack of a message of the last pop was answered at `now`; `nil`: it was not.
    mutating func ackedInOrder(_ message: Open, of queue: Queue, now: Int64?) {
        orders[queue]?.history.append("acknowledged \(message.place), answered at \(now ?? -1)")
        let isSure = now.map { $0 < message.visibleFrom } ?? false
        if isSure, orders[queue]?.isVague == false {
            orders[queue]?.acked.insert(message.place)
        } else {
            orders[queue]?.mayBeAcked.insert(message.place)
        }
    }

    /// A new time for a message of the last pop was answered.
    mutating func changedInOrder(_ message: Open, of queue: Queue, visibleFrom: Int64) {
        orders[queue]?.history.append("changed \(message.place) until \(visibleFrom)")
        guard let index = orders[queue]?.open.firstIndex(where: { $0.place == message.place }) else { return }
        orders[queue]?.open[index].visibleFrom = visibleFrom
    }
}
