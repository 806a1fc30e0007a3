import MQBase
import MQBytes
import MQMessage
import MQStore

/// Stages a message that waited under a topic of the broker's own for another queue; what it is stays as it was.
struct Redelivery: Sendable {
    let store: MessageStore
    let storeHost: MessageHost
    let queueIDMax: Int
    /// Told of a queue that no message has come to, before the first one does. Any thread.
    var began: @Sendable (_ topic: String, _ queueID: Int) -> Void = { _, _ in }

    /// Where the message in `record` was sent to: the name's range in `properties`, and the queue. `nil` if it does not say.
    func realQueue(_ properties: Span<UInt8>) -> (topic: Range<Int>, queueID: Int)? {
        guard let topic = Properties.value(of: PropertyName.realTopic, in: properties),
            let queue = Properties.value(of: PropertyName.realQueueID, in: properties),
            let queueID = Decimal.parse(properties.extracting(queue)), (0...Int64(queueIDMax)).contains(queueID),
            NameRules.refusal(ofTopic: properties.extracting(topic)) == nil
        else { return nil }
        return (topic, Int(queueID))
    }

    /// The queue that a message was sent to. Its topic may have been made by that send and not be in the table: the table
    /// was not durable yet when the broker was killed, and until now no queue tells of the topic.
    func target(_ topic: String, _ queueID: Int) -> ConsumeQueue {
        if let queue = store.existingQueue(topic, queueID) { return queue }
        began(topic, queueID)
        return store.queue(topic, queueID)
    }

    /// Stages the message for `queue`.
    /// - Parameters:
    ///   - topic: the name of `queue`'s topic.
    ///   - reconsumeTimes: how often it was tried; `nil` leaves that as it is.
    ///   - properties: appends the properties' stored form.
    /// - Returns: `false` if it fits no record or no file: its properties or its topic's name are longer now.
    func stage(
        _ record: MessageRecord, _ bytes: Span<UInt8>, topic: Span<UInt8>, in queue: ConsumeQueue,
        into batch: AppendBatch, reconsumeTimes: Int32? = nil, properties: (inout ByteBuffer) -> Void
    ) -> Bool {
        let head = RecordHead(
            queueID: Int32(queue.queueID), flag: record.flag, sysFlag: record.sysFlag.onward,
            bornTimestamp: record.bornTimestamp, bornHost: record.bornHost, storeHost: storeHost,
            reconsumeTimes: reconsumeTimes ?? record.reconsumeTimes)
        let staged = batch.entries.count
        do throws(WireError) {
            try batch.stage(
                head, topic: topic, body: bytes.extracting(record.body), in: queue, properties: properties)
        } catch {
            return false
        }
        guard batch.entries[staged].byteCount <= store.recordByteCountMax else {
            batch.truncate(to: staged)
            return false
        }
        return true
    }
}

extension SysFlag {
    /// What a message keeps of these when its next record goes to a queue: that it was committed, but nothing that would keep it
    /// out of the queue.
    var onward: SysFlag { isInQueue ? self : subtracting(.transactionRollback) }
}
