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
}
