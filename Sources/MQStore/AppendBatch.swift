public import MQBase
public import MQBytes
public import MQMessage

/// Records that one wake-up of a loop brought, encoded and waiting to be appended together. One per loop, reused.
public final class AppendBatch {
    /// One record of the batch.
    public struct Entry {
        /// Where it lies in the batch's buffer.
        let start: Int
        /// Its size.
        public let byteCount: Int
        /// The queue it goes to.
        public let queue: ConsumeQueue
        /// The queue's number.
        public let queueID: Int32
        let isInQueue: Bool
        let storeTimestampAt: Int
        /// Messages in the record: more than one in an inner batch.
        public let messageCount: Int16
        /// Where the digits of INNER_BASE lie in the batch's buffer; 0: there are none.
        let baseDigitsAt: Int
        /// Whether the record holds messages that consumers unpack.
        public var isInnerBatch: Bool { baseDigitsAt != 0 }
        /// What queues and index will hold of it, if who staged it knows.
        let facts: UnitFacts?
        /// Its places in lite queues, in the batch's ``AppendBatch/liteSlots``.
        let liteSlots: Range<Int>
        /// Set by the append: where the record begins in the log.
        public internal(set) var physicalOffset: Int64 = 0
        /// Set by the append: its number in the queue; 0 for half and rolled-back messages.
        public internal(set) var queueOffset: Int64 = 0
    }

    /// Memory that an empty batch keeps.
    private static let keptByteCountMax = 8 << 20

    var buffer = ByteBuffer()
    /// `enabledAppendPropCRC`: records end with a checksum over all of them. To be set before the first is staged.
    public var appendsChecksum = false
    /// Finds the lite queues that records name; `nil`: none stands in any.
    var lite: LiteQueues?
    /// Places in lite queues, those of one record together.
    var liteSlots: [LiteSlot] = []
    /// The records, in the order they will have in the log.
    public internal(set) var entries: [Entry] = []
    /// When the batch was appended; set by the append.
    public internal(set) var storeTimestamp = Timestamp(rawValue: 0)
    /// Where the log ended behind the batch; set by the append.
    public internal(set) var end = PhysicalOffset.zero

    /// An empty batch.
    public init() {}

    /// Bytes staged.
    public var byteCount: Int { buffer.count }

    /// Encodes one record at the end of the batch.
    /// - Parameters:
    ///   - facts: what queues and index will hold of it, if that is known; otherwise dispatch reads the record.
    ///   - innerCount: how many messages an inner batch holds; `nil` for a message. A record that has it gets INNER_BASE, the
    ///     offset of its first message, when it is appended.
    /// - Throws: ``WireError`` if topic or properties are too long; the batch is then as before.
    /// - Precondition: an inner batch goes to a queue that holds batches.
    public func stage(
        _ head: RecordHead, topic: Span<UInt8>, body: Span<UInt8>, in queue: consuming ConsumeQueue,
        facts: UnitFacts? = nil, innerCount: Int16? = nil, properties: (inout ByteBuffer) -> Void
    ) throws(WireError) {
        precondition(innerCount == nil || queue.holdsBatches, "an inner batch for \(queue.topic)")
        let start = buffer.count
        var baseDigitsAt = 0
        let firstSlot = liteSlots.count
        let byteCount: Int
        do throws(WireError) {
            byteCount = try head.encode(topic: topic, body: body, into: &buffer) { buffer in
                let propertiesStart = buffer.count
                properties(&buffer)
                if lite != nil, head.sysFlag.isInQueue, innerCount == nil {
                    liteSlots += appendLitePlaces(topic, from: propertiesStart, to: &buffer)
                }
                if innerCount != nil { InnerBatch.reserveBase(in: &buffer, from: propertiesStart) }
                if appendsChecksum { RecordChecksum.reserve(in: &buffer, from: propertiesStart) }
                if innerCount != nil {
                    baseDigitsAt =
                        buffer.count - (appendsChecksum ? RecordChecksum.byteCount : 0) - InnerBatch.baseTailByteCount
                }
            }
        } catch {
            liteSlots.removeSubrange(firstSlot...)
            throw error
        }
        entries.append(
            Entry(
                start: start, byteCount: byteCount, queue: queue, queueID: head.queueID,
                isInQueue: head.sysFlag.isInQueue,
                storeTimestampAt: start + RecordLayout.storeTimestamp(bornIPv6: head.bornHost.isIPv6),
                messageCount: innerCount ?? 1, baseDigitsAt: baseDigitsAt,
                facts: liteSlots.count == firstSlot ? facts : nil, liteSlots: firstSlot..<liteSlots.count))
    }

    /// Takes over the memory of `other`, whose records are written and whose offsets may still be asked for: what was just
    /// used is in the processor's caches.
    public func takeMemory(of other: AppendBatch) {
        swap(&buffer, &other.buffer)
        buffer.removeAll()
        buffer.trim(to: Self.keptByteCountMax)
    }

    /// Takes back the records behind the first `count`.
    public func truncate(to count: Int) {
        guard count < entries.count else { return }
        buffer.truncate(to: entries[count].start)
        liteSlots.removeSubrange(entries[count].liteSlots.lowerBound...)
        entries.removeSubrange(count...)
    }

    /// Forgets the records; keeps the memory, unless it is much.
    public func removeAll() {
        entries.removeAll(keepingCapacity: true)
        if !liteSlots.isEmpty { liteSlots.removeAll() }
        buffer.removeAll()
        buffer.trim(to: Self.keptByteCountMax)
    }
}
