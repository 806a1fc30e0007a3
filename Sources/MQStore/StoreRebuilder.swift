import MQBase
import MQBytes
package import MQMessage
package import MQSystem

/// Builds consume queues and index from records into a folder of its own, exactly as the dispatch thread would: for
/// repairs. One owner.
package final class StoreRebuilder {
    private let folder: String
    private let queues: QueueTable
    private let index: MessageIndex?
    private var worker: DispatchWorker

    /// - Parameter folder: becomes the home of `consumequeue` and `index`; nothing of either is in it yet.
    /// - Parameter batchTopics: whose queues hold batches.
    package init(folder: String, config: StoreConfig, batchTopics: Set<String> = []) throws(SystemError) {
        ThisProcess.raiseOpenFilesLimit()
        self.folder = folder
        try Directory.create(folder + "/consumequeue")
        try Directory.create(folder + "/batchconsumequeue")
        try Directory.create(folder + "/index")
        queues = QueueTable(
            root: folder + "/consumequeue", fileByteCount: config.consumeQueueFileByteCount,
            batches: QueueTable.Batches(
                root: folder + "/batchconsumequeue", fileByteCount: config.batchQueueFileByteCount))
        for topic in batchTopics { queues.setHoldsBatches(topic, true) }
        index =
            config.isIndexEnabled
            ? try MessageIndex(
                folder: folder + "/index", slotCount: config.indexSlotCount, entryCount: config.indexEntryCount,
                evidence: .complete(end: PhysicalOffset(rawValue: .max))) : nil
        // Who asks may not know; but only a broker that serves lite queues writes offsets in them.
        worker = DispatchWorker(
            queues: queues, index: index, delayLevels: config.delayLevels, servesLiteQueues: true)
    }

    /// Adds the record that `bytes` begins with. Records come in the log's order.
    /// - Parameter isQueued: `false`: only the index gets it.
    /// - Precondition: its topic may name a folder.
    package func add(_ record: MessageRecord, _ bytes: Span<UInt8>, isQueued: Bool = true) throws(SystemError) {
        try worker.handle(RecordOutline(record), bytes, isQueued: isQueued)
    }

    /// Writes what was added since the last call to the files. Call every few MiB.
    package func publish() throws(SystemError) {
        try worker.publish { _ in }
        worker.beginRound()
    }

    /// Makes everything durable.
    /// - Returns: how many queues there are.
    package func finish() throws(SystemError) -> Int {
        try publish()
        for queue in queues.all { try queue.synchronize() }
        _ = try index?.synchronize(all: true)
        for name in ["/consumequeue", "/batchconsumequeue", "/index", ""] { try Directory.synchronize(folder + name) }
        return queues.queueCount
    }
}
