public import MQProtocol

/// What administrators and clients ask of the store beside messages. Any thread; only what says so may wait for a disk.
public protocol StoreQueries: Sendable {
    /// The smallest offset that can be read and the next one that will be written; `nil` if there is no such queue.
    func offsets(topic: String, queueID: Int) -> (min: Int64, max: Int64)?

    /// Where the queue ends, with messages that are stored and cannot be pulled yet; 0 if there is no such queue.
    func assignedEnd(topic: String, queueID: Int) -> Int64

    /// Whether the message at `offset` is further behind the log's end than what counts as being in memory; `false` if
    /// there is no such message. May wait for a disk.
    /// Source: `DefaultMessageStore.java` `checkInDiskByConsumeOffset`.
    func isOnDisk(topic: String, queueID: Int, offset: Int64) -> Bool

    /// The offset of the first message stored at or after `timestamp`, or with `upper` of the last one at or before it;
    /// `nil` if there is no such queue. May wait for a disk.
    func searchOffset(topic: String, queueID: Int, timestamp: Int64, upper: Bool) -> Int64?

    /// When the message at `offset` was stored; `nil` if there is none. May wait for a disk.
    func storeTimestamp(topic: String, queueID: Int, offset: Int64) -> Int64?

    /// When the queue's first message was stored; `nil` if there is none. May wait for a disk.
    func earliestStoreTimestamp(topic: String, queueID: Int) -> Int64?

    /// The units at these offsets of a queue, as far as they are there. May wait for a disk.
    func units(topic: String, queueID: Int, offsets: Range<Int64>) -> [QueryConsumeQueueResponseBody.Unit]

    /// The whole record at a physical offset; `nil` if none begins there. May wait for a disk.
    func record(at offset: Int64) -> [UInt8]?

    /// Says whether new queues of a topic hold batches (`queue.type=BatchCQ`).
    func setHoldsBatches(_ topic: String, _ holds: Bool)

    /// Removes a topic's queues; the log keeps the messages. May wait for a disk.
    func deleteQueues(of topic: String)

    /// Removes the queues of topics that `isKept` does not want. May wait for a disk.
    func deleteQueues(exceptOf isKept: @Sendable (_ topic: String) -> Bool)

    /// Removes queues whose records are all gone from the log, except those that `isKept` wants. May wait for a disk.
    func deleteExpiredQueues(exceptOf isKept: @Sendable (_ topic: String, _ queueID: Int) -> Bool)

    /// Has expired files of the log deleted soon, whatever the hour.
    func deleteExpiredFiles()

    /// How far delayed messages are.
    func delayOffsets() -> DelayOffsetSerializeWrapper

    /// How far timed messages are, 56 bytes; `nil` without a timer.
    func timerCheckpoint() -> [UInt8]?

    /// How many messages wait for their time, by topic, as JSON; `nil` without a timer.
    func timerCounts() -> [UInt8]?

    /// The end of the log.
    var logEnd: Int64 { get }

    /// Names and values for `GET_BROKER_RUNTIME_INFO` (28); they win over what ``ControlService`` knows itself.
    /// May wait for a disk.
    var runtimeValues: [(String, String)] { get }
}

extension StoreQueries {
    /// No timer.
    public func timerCheckpoint() -> [UInt8]? { nil }

    /// No timer.
    public func timerCounts() -> [UInt8]? { nil }
}
