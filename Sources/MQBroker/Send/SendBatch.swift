import MQBase
import MQBytes
import MQProtocol
import MQRemoting
import MQStore

/// The sends of one wake-up: records on their way to the log, and who is to be answered. One per loop is filled at a
/// time; others wait at the gate. Reused.
final class SendBatch {
    /// One request that waits for its records.
    struct Waiting {
        let channel: RemotingChannel
        let opaque: Int32
        let isOneWay: Bool
        /// The queue it was sent to; its record may wait in another one.
        let queueID: Int
        /// Its records in the batch: several for a batch of messages.
        let entries: Range<Int>
        /// Where its UNIQ_KEY lies in `keys`; empty for none.
        let uniqueKey: Range<Int>
        /// CONSUMER_SEND_MSG_BACK is answered without fields.
        let isSendBack: Bool
        /// `WAIT=false`: answered when it is in the log, durable or not.
        let waitsForFlush: Bool
    }

    let records = AppendBatch()
    var waiting: [Waiting] = []
    var keys = ByteBuffer()
    /// Whether any request waits for the flush.
    var needsFlush = false

    init(appendsChecksum: Bool) { records.appendsChecksum = appendsChecksum }

    func removeAll() {
        records.removeAll()
        waiting.removeAll(keepingCapacity: true)
        keys.removeAll()
        needsFlush = false
    }
}
