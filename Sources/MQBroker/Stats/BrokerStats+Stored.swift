import MQStore

extension BrokerStats {
    /// Counts records that a thread of the broker's own has appended, in all and by topic. Those of one queue that follow
    /// each other are counted together.
    func stored(_ batch: AppendBatch) {
        messagesIn.add(batch.entries.count)
        bytesIn.add(batch.byteCount)
        var (start, bytes) = (0, 0)
        for (index, entry) in batch.entries.enumerated() {
            bytes += entry.byteCount
            let next = index + 1
            guard next == batch.entries.count || batch.entries[next].queue !== entry.queue else { continue }
            let count = next - start
            topics.topic(entry.queue.topic).put.add(messages: count, bytes: bytes, requests: count)
            (start, bytes) = (next, 0)
        }
    }
}
