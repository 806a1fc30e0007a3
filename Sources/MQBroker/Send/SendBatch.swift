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
        /// Its channel's place in `channels`; no reference, because copies of one are counted.
        let channel: Int
        let opaque: Int32
        let isOneWay: Bool
        /// The queue it was sent to; its record may wait in another one.
        let queueID: Int
        /// Its records in the batch: several for a batch of messages.
        let entries: Range<Int>
        /// Where its UNIQ_KEY lies in `keys`; empty for none.
        let uniqueKey: Range<Int>
        /// CONSUMER_SEND_MSG_BACK and END_TRANSACTION are answered without fields.
        let isSendBack: Bool
        /// `WAIT=false`: answered when it is in the log, durable or not.
        let waitsForFlush: Bool
        /// Where the handle lies in `keys` by which it can be taken back; empty for none.
        var recallHandle: Range<Int> = 0..<0
        /// RECALL_MESSAGE is answered with the unique key as `msgId`.
        var isRecall = false
    }

    let records: AppendBatch
    /// In the order they came; those of one channel and read lie together.
    var waiting: [Waiting] = []
    private var channels: [RemotingChannel] = []
    var keys = ByteBuffer()
    /// Half messages that are committed with this batch.
    var halves: [HalfMessage] = []
    /// Whether any request waits for the flush.
    var needsFlush = false
    /// When the append began.
    var begun = Instant(nanoseconds: 0)
    /// Topics that have something to be counted once it is stored.
    private var credited: [TopicRoute] = []

    init(_ store: MessageStore) { records = store.makeBatch() }

    /// The place of `channel` among the channels that wait.
    func place(of channel: RemotingChannel) -> Int {
        if channels.isEmpty || channels[channels.count - 1] !== channel { channels.append(channel) }
        return channels.count - 1
    }

    /// Counts what one request staged for a topic, once it is stored.
    func credit(_ topic: TopicRoute, messages: Int, bytes: Int) {
        if topic.uncounted.requests == 0 { credited.append(topic) }
        topic.uncounted.messages &+= messages
        topic.uncounted.bytes &+= bytes
        topic.uncounted.requests &+= 1
    }

    /// The records are stored: they count.
    func settleCredits() {
        for topic in credited {
            let totals = topic.uncounted
            topic.stats.put.add(messages: totals.messages, bytes: totals.bytes, requests: totals.requests)
        }
        forgetCredits()
    }

    private func forgetCredits() {
        for topic in credited { topic.uncounted = StatsTotals() }
        credited.removeAll(keepingCapacity: true)
    }

    /// What it takes while it waits for the flush; its records' memory goes on to the next batch.
    var load: SendFlow.Load {
        SendFlow.Load(
            requests: waiting.count,
            bytes: waiting.count * MemoryLayout<Waiting>.stride + keys.count
                + records.entries.count * MemoryLayout<AppendBatch.Entry>.stride
                + channels.count * MemoryLayout<RemotingChannel>.stride)
    }

    /// Calls `body` with each channel and those of its requests that lie together.
    func forEachRun(_ body: (RemotingChannel, Range<Int>) -> Void) {
        var start = 0
        while start < waiting.count {
            let place = waiting[start].channel
            var end = start + 1
            while end < waiting.count, waiting[end].channel == place { end += 1 }
            body(channels[place], start..<end)
            start = end
        }
    }

    func removeAll() {
        records.removeAll()
        channels.removeAll(keepingCapacity: true)
        waiting.removeAll(keepingCapacity: true)
        keys.removeAll()
        forgetCredits()
        if !halves.isEmpty { halves.removeAll(keepingCapacity: true) }
        needsFlush = false
    }
}
