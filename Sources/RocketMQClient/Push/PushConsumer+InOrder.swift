import MQProtocol
import MQSystem

/// Locks of a consumer that hands out in order.
extension PushConsumer {
    /// Whether queues must be this client's alone.
    var needsLocks: Bool { options.isOrderly && options.messageModel == .clustering }

    /// Locks `queues` at their brokers.
    /// - Returns: those that are this client's now. A broker that does not answer gives none.
    func lock(_ queues: [MessageQueue], _ core: ConsumerCore) async -> Set<MessageQueue> {
        var held: Set<MessageQueue> = []
        for (broker, queues) in Dictionary(grouping: queues, by: \.brokerName) {
            do throws(ClientError) {
                guard let address = await link.brokerAddress(broker) else { throw .brokerNotFound(broker) }
                held.formUnion(try await link.lock(queues, of: group, at: address))
            } catch {
                core.note(error)
            }
        }
        return held
    }

    /// Gives queues back, best effort: the broker lets go of them after a minute by itself.
    func unlock(_ queues: [MessageQueue]) async {
        for (broker, queues) in Dictionary(grouping: queues, by: \.brokerName) {
            guard let address = await link.brokerAddress(broker) else { continue }
            try? await link.unlock(queues, of: group, at: address)
        }
    }

    /// Renews the locks of all queues. One that another client has by now is given up.
    func renewLocks(_ core: ConsumerCore) async {
        for (broker, queues) in Dictionary(grouping: Array(workers.keys), by: \.brokerName) {
            guard let address = await link.brokerAddress(broker) else { continue }
            let held: [MessageQueue]
            let asked = SystemClock.now()  // a lock lives from when the broker saw the request, not its answer
            do throws(ClientError) {
                held = try await link.lock(queues, of: group, at: address)
            } catch {
                core.note(error)  // what is not renewed stops being handed out by itself
                continue
            }
            var isGone = false
            for queue in queues {
                if held.contains(queue), let worker = workers[queue] {
                    if worker.locked(at: asked) { continue }
                }
                if let worker = workers[queue], !worker.isDropped {
                    worker.drop()
                    isGone = true
                } else if held.contains(queue), workers[queue] == nil {
                    await unlock([queue])  // given away while the request was under way
                }
            }
            if isGone { await rebalance() }
        }
    }
}
