import MQProtocol
import MQSystem

/// Where a consumer is, and moving it.
extension PushConsumer {
    /// An administrator's order (220): goes on at `offsets` with those of its queues that are named.
    /// Source: `MQClientInstance.java` `resetOffset`, 5.3.
    func reset(_ topic: String, to offsets: [MessageQueue: Int64]) async {
        var moved: [(MessageQueue, QueueWorker)] = []
        for (queue, offset) in offsets where queue.topic == topic && offset >= 0 {
            guard let worker = workers[queue] else { continue }  // another member's
            worker.forget()
            moved.append((queue, worker))
            _ = await worker.isIdle()
            guard let address = await link.brokerAddress(queue.brokerName) else { continue }
            try? await link.commit(offset, of: group, in: queue, at: address)  // else it stays where it was
        }
        for (queue, worker) in moved { remove(worker, of: queue) }
        await rebalance()
    }

    /// How far it is in the queues of `topic` that it has.
    func progress(in topic: String) -> [MessageQueue: Int64] {
        var table: [MessageQueue: Int64] = [:]
        for (queue, worker) in workers where queue.topic == topic { table[queue] = worker.progress }
        return table
    }

    /// Tells the brokers, or the file, how far it is.
    func commitAll() async {
        guard let core else { return }
        await commit(Array(workers.values), core)
    }

    func commit(_ workers: [QueueWorker], _ core: ConsumerCore) async {
        if let offsets {
            offsets.save(Dictionary(uniqueKeysWithValues: workers.map { ($0.queue, $0.progress) }))
            return
        }
        for worker in workers {
            guard let offset = worker.uncommitted else { continue }
            do throws(ClientError) {
                guard let address = await link.brokerAddress(worker.queue.brokerName) else { continue }
                try await link.commit(offset, of: group, in: worker.queue, at: address)
                worker.committed(offset)
            } catch {
                core.note(error)  // the next commit carries it
            }
        }
    }
}
