import MQBase
import MQBytes
import MQMessage
import MQProtocol
import MQStore
import MQSystem

/// The store as administrators see it. A disk that cannot be read answers like a queue that is not there; the store itself
/// logs its failures.
struct StoreView: StoreQueries {
    let store: MessageStore
    let delay: DelayDelivery
    let timer: TimerDelivery?
    let queues: QueueFigures

    func offsets(topic: String, queueID: Int) -> (min: Int64, max: Int64)? {
        store.existingQueue(topic, queueID).map { (store.firstOffset($0), $0.maxOffset) }
    }

    func assignedEnd(topic: String, queueID: Int) -> Int64 { store.existingQueue(topic, queueID)?.assignedEnd ?? 0 }

    func isOnDisk(topic: String, queueID: Int, offset: Int64) -> Bool {
        guard let queue = store.existingQueue(topic, queueID), let unit = try? queue.unit(at: offset) else {
            return false  // best effort: it only decides where a new group begins
        }
        return store.isFarBack(unit.physicalOffset)
    }

    func searchOffset(topic: String, queueID: Int, timestamp: Int64, upper: Bool) -> Int64? {
        store.existingQueue(topic, queueID).flatMap { queue in
            try? store.searchOffset(queue, timestamp: timestamp, isUpper: upper)  // as a missing queue; see above
        }
    }

    func storeTimestamp(topic: String, queueID: Int, offset: Int64) -> Int64? {
        store.existingQueue(topic, queueID).flatMap { queue in
            (try? store.storeTimestamp(queue, at: offset))??.rawValue  // as a missing message; see above
        }
    }

    func earliestStoreTimestamp(topic: String, queueID: Int) -> Int64? {
        store.existingQueue(topic, queueID).flatMap { queue in
            storeTimestamp(topic: topic, queueID: queueID, offset: store.firstOffset(queue))
        }
    }

    func units(topic: String, queueID: Int, offsets: Range<Int64>) -> [QueryConsumeQueueResponseBody.Unit] {
        guard let queue = store.existingQueue(topic, queueID) else { return [] }
        var units: [QueryConsumeQueueResponseBody.Unit] = []
        for offset in offsets {
            guard let unit = try? queue.unit(at: offset) else { break }  // as a queue that ends there; see above
            let code = (try? queue.tagsCode(of: unit)) ?? nil
            units.append(
                QueryConsumeQueueResponseBody.Unit(
                    physicalOffset: unit.physicalOffset, size: Int(unit.size), tagsCode: code ?? unit.tagsCode,
                    message: code == nil ? "Cq extend not exist!addr: \(unit.tagsCode)" : nil))
        }
        return units
    }

    func record(at offset: Int64) -> [UInt8]? { store.withRecord(at: offset) { _, bytes in bytes.toArray() } }

    func setHoldsBatches(_ topic: String, _ holds: Bool) { store.setHoldsBatches(topic, holds) }

    func deleteQueues(of topic: String) {
        try? store.deleteQueues(of: topic)  // files that stay are found again at the next start and removed with 316
    }

    func deleteQueues(exceptOf isKept: @Sendable (_ topic: String) -> Bool) {
        for topic in store.topicsWithQueues where !isKept(topic) { deleteQueues(of: topic) }
    }

    func deleteExpiredQueues(exceptOf isKept: @Sendable (_ topic: String, _ queueID: Int) -> Bool) {
        try? store.removeExpiredQueues(exceptOf: isKept)  // what stays can be removed by asking again
    }

    func deleteExpiredFiles() { store.deleteExpiredFiles() }

    func delayOffsets() -> DelayOffsetSerializeWrapper { delay.table() }

    func timerCheckpoint() -> [UInt8]? { timer?.checkpointBody }

    func timerCounts() -> [UInt8]? { timer?.countsBody }

    var logEnd: Int64 { store.writtenOffset.rawValue }

    var runtimeValues: [(String, String)] {
        let written = store.writtenOffset.rawValue
        var values = [
            ("commitLogMinOffset", String(store.minOffset.rawValue)), ("commitLogMaxOffset", String(written)),
            ("dispatchBehindBytes", String(written - store.dispatchedOffset.rawValue)),
            ("remainHowManyDataToFlush", "\(written - store.flushedOffset.rawValue) B"),
            ("remainHowManyDataToCommit", "0 B"), ("brokerActive", String(store.fenceReason == nil)),
            ("pageCacheLockTimeMills", String(store.busyMilliseconds)),
        ]
        if store.damagedReads > 0 { values.append(("damagedReads", String(store.damagedReads))) }
        if let reason = store.fenceReason { values.append(("storeFenced", reason)) }
        let earliest = store.withRecord(at: store.minOffset.rawValue) { record, _ in record.storeTimestamp.rawValue }
        values.append(("earliestMessageTimeStamp", String(earliest ?? -1)))
        if let disk = store.logDisk {
            let ratio = String(Double(disk.percent) / 100)
            values.append(("commitLogDiskRatio", ratio))
            values.append(("commitLogDiskRatio_" + store.config.commitLogPath, ratio))
        }
        if let disk = store.queueDisk { values.append(("consumeQueueDiskRatio", String(Double(disk.percent) / 100))) }
        if let space = Directory.space(at: store.config.commitLogPath) {
            values.append(("commitLogDirCapacity", "Total : \(gib(space.total)), Free : \(gib(space.available))."))
        }
        for (level, offset) in delay.table().offsetTable.sorted(by: { $0.key < $1.key }) {
            let end = store.existingQueue(ScheduleTopic.name, Int(level) - 1)?.maxOffset ?? 0
            values.append(("scheduleMessageOffset_\(level)", "\(offset),\(end)"))
        }
        return values + (timer?.runtimeValues ?? []) + queues.runtimeValues(now: SystemClock.now())
    }

    private func gib(_ byteCount: UInt64) -> String {
        let tenths = (byteCount * 10) >> 30
        return "\(tenths / 10).\(tenths % 10) GiB"
    }
}
