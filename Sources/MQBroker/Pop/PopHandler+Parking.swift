import MQBase
import MQProtocol
import MQRemoting
import MQStore
import MQTransport

/// Pops that wait for messages. One message wakes one of them, which wakes the next if it leaves something.
extension PopHandler {
    /// Parks the request of an attempt that found nothing, or answers that there is nothing.
    func park(_ session: PopSession) {
        let request = session.request
        let wait = request.pollEnd - loop.wall.rawValue
        guard wait > 0 else { return answerNothing(request, .pollingTimeout, rest: session.rest) }
        let (id, key) = (nextID, request.pollKey)
        nextID += 1
        let outcome = polling.park(id, on: key, max: settings.pollersMax, allMax: settings.allPollersMax)
        guard outcome == .waiting else {
            if request.kind == .notify { return answerNotification(request, hasMessages: false, isFull: true) }
            return answerNothing(request, .pollingFull, rest: session.rest)
        }
        byChannel[request.channel.connection.id, default: []].insert(id)
        let timer = loop.schedule(afterMilliseconds: wait) { [unowned self] in timeOut(id) }
        parked[id] = Parked(request: request, timer: timer)
        for (queue, _) in session.ends { watch(queue, key) }
        store.waiterCame()
        // Between the look and here a message may have come that nobody told us of.
        if session.ends.contains(where: { $0.queue.maxOffset > $0.end }) { serveLater(key) }
    }

    /// Lets arrivals in `queue` wake those who wait under `key`.
    private func watch(_ queue: ConsumeQueue, _ key: PopPolling.Key) {
        let name = ObjectIdentifier(queue)
        guard watched[key]?[name] == nil else { return }
        watched[key, default: [:]][name] = queue
        if watchers[name] == nil { queue.addWaiter(loop: waiterIndex) }
        watchers[name, default: []].insert(key)
    }

    private func unwatch(_ key: PopPolling.Key) {
        for (name, queue) in watched.removeValue(forKey: key) ?? [:] {
            watchers[name]?.remove(key)
            guard watchers[name]?.isEmpty == true else { continue }
            watchers[name] = nil
            queue.removeWaiter(loop: waiterIndex)
        }
    }

    private func unpark(_ id: UInt64) -> PopRequest? {
        guard let entry = parked.removeValue(forKey: id) else { return nil }
        loop.cancel(entry.timer)
        let channel = entry.request.channel.connection.id
        byChannel[channel]?.remove(id)
        if byChannel[channel]?.isEmpty == true { byChannel[channel] = nil }
        if let key = polling.remove(id) { unwatch(key) }
        return entry.request
    }

    private func timeOut(_ id: UInt64) {
        guard let request = unpark(id) else { return }
        answerNothing(request, .pollingTimeout, rest: 0)
    }

    /// Forgets the requests of a connection that is gone.
    func closed(_ channel: RemotingChannel) {
        for id in byChannel[channel.connection.id] ?? [] { _ = unpark(id) }
    }

    // MARK: - Waking

    /// `queue` has new messages.
    func arrived(_ queue: ConsumeQueue) {
        for key in watchers[ObjectIdentifier(queue)] ?? [] { serveLater(key) }
    }

    /// Messages of `topic` were put to the group's retry topic for it, which may be new: then nobody watches its queue yet.
    func retried(group: String, topic: String) {
        for key in polling.keys(topic: topic, group: group, queueID: nil) { serveLater(key) }
    }

    /// An ordered pop of a queue blocks no more.
    func freed(_ key: PopQueueKey) {
        for poll in polling.keys(topic: key.topic, group: key.group, queueID: key.queueID) { serveLater(poll) }
    }

    /// Lets those who wait under `key` look again, the oldest first.
    func serveLater(_ key: PopPolling.Key) {
        guard polling.count(key) > 0, isToServe.insert(key).inserted else { return }
        toServe.append(key)
        guard toServe.count == 1 else { return }
        let bound = LoopBound(self, on: loop)
        loop.execute { bound.execute { $0.serve() } }
    }

    private func serve() {
        let keys = toServe
        toServe = []
        isToServe = []
        for key in keys {
            let waiting = polling.waiting(on: key)
            if let first = waiting.first(where: { parked[$0]?.request.kind == .pop }), let request = unpark(first) {
                attempt(request)
            }
            // Whoever only wants to know takes nothing from the others.
            for id in waiting where parked[id]?.request.kind == .notify {
                if let request = unpark(id) { attempt(request) }
            }
        }
    }
}
