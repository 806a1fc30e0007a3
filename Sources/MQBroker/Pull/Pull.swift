import MQBytes
import MQFilter
import MQMessage
import MQRemoting
import MQStore
import MQSystem

/// One pull, parsed: what remains of a request when its frame is gone.
struct Pull {
    let channel: RemotingChannel
    let opaque: Int32
    let group: String
    var look: PullLook
    /// The offset asked for.
    let offset: Int64
    let topicSysFlag: Int
    let groupSysFlag: Int
    /// What its group takes of its topic.
    let stats: GroupStats
    /// Only the last message of each key of its topic is kept.
    var isCompacted = false
    /// It came as LITE_PULL_MESSAGE.
    var isLite = false

    var queue: ConsumeQueue { look.queue }
}

/// What a subscription wants of a queue.
enum MessageFilter: Sendable {
    /// Messages whose tags code fits; the consumer compares the text.
    case tags(TagFilter)
    /// Messages for whose properties the expression is true; `bits` tell some that are not without looking.
    case properties(SQLFilter, FilterBits?)
    /// Of the group's retry topic: messages for which the expression is true with which the group wants the topic they are
    /// from; those from topics that it wants by tags come anyway.
    case retries(ConsumerFilterTable, group: String)
}

/// Which bits of a message's bit map a group's expression sets.
struct FilterBits: Sendable {
    let bitCount: Int
    let positions: [Int]
    /// Messages that were stored before know nothing of the expression, milliseconds since 1970.
    let bornTime: Int64

    /// Whether a message with these bits may be wanted.
    ///
    /// Source: `ExpressionMessageFilter.java` `isMatchedByConsumeQueue`, RocketMQ 5.3.
    func mayWant(_ bitMap: Span<UInt8>, storedAt: Int64) -> Bool {
        guard storedAt > bornTime, bitMap.count * 8 == bitCount else { return true }
        return BloomFilter.isHit(positions, in: bitMap)
    }
}

/// What a pull looks for: all that a thread besides the loop needs to know of it.
struct PullLook: Sendable {
    let queue: ConsumeQueue
    let filter: MessageFilter
    let limits: ReadLimits
    /// Where the look begins: messages before it were looked at and not wanted.
    var nextOffset: Int64

    /// Bytes of the log that are read ahead behind what a cold read found. A catching-up consumer asks for them next, and
    /// finds them in memory; then nothing is handed to another thread until it comes to their end.
    static let readAheadByteCount = 4 << 20
    /// The same for its queue's units: 13,000 of them.
    static let readAheadUnitByteCount = 256 << 10

    /// What one look may spend on evaluations, about ns: on a loop, whose other connections wait meanwhile, and on a
    /// thread that may wait. A pull that has spent it is answered with how far it came.
    static let effortMax = 2_000_000
    static let coldEffortMax = 20_000_000

    /// Looks for messages.
    func read(
        _ store: MessageStore, _ access: ReadAccess, _ units: inout ByteBuffer, into result: inout ReadResult
    ) throws(SystemError) {
        switch filter {
        case .tags(let filter):
            try store.read(
                queue, from: nextOffset, limits: limits, access: access, units: &units, into: &result,
                matches: filter.wantsAll ? nil : { filter.matches($0) })
        case .properties(let filter, let bits):
            try look(store, access, &units, &result, mayWant: bits.map { bits in { bits.mayWant($0, storedAt: $1) } }) {
                filter.matches($0, effort: &$1)
            }
        case .retries(let filters, let group):
            try look(store, access, &units, &result, mayWant: nil) { properties, effort in
                guard let topic = Properties.value(of: PropertyName.retryTopic, in: properties) else { return true }
                let known = filters.filter(group: group, topic: properties.extracting(topic).toString())
                return known?.filter.matches(properties, effort: &effort) ?? true
            }
        }
    }

    private func look(
        _ store: MessageStore, _ access: ReadAccess, _ units: inout ByteBuffer, _ result: inout ReadResult,
        mayWant: ((Span<UInt8>, Int64) -> Bool)?, _ isWanted: @escaping (Span<UInt8>, inout Int) -> Bool
    ) throws(SystemError) {
        var effort = 0
        let effortMax = access.mayWaitForDisk ? Self.coldEffortMax : Self.effortMax
        let records = RecordLook(mayWant: mayWant) { properties in
            if effort >= effortMax { return .stop }
            return isWanted(properties, &effort) ? .take : .leave
        }
        try store.read(
            queue, from: nextOffset, limits: limits, access: access, units: &units, into: &result, matches: nil,
            records: records)
    }

    /// Looks among what is left of a compacted queue, waiting for the disk.
    /// - Returns: what was found, and the records; `nil` if the queue is not compacted there.
    func readCompacted(_ store: MessageStore) throws(SystemError) -> (ReadResult, [UInt8])? {
        var effort = 0
        func choice(_ isWanted: Bool) -> RecordChoice {
            effort >= Self.coldEffortMax ? .stop : isWanted ? .take : .leave
        }
        switch filter {
        case .tags(let filter):
            return try store.compaction.read(
                queue, from: nextOffset, limits: limits, matches: filter.wantsAll ? nil : { filter.matches($0) })
        case .properties(let filter, _):
            return try store.compaction.read(
                queue, from: nextOffset, limits: limits, choose: { choice(filter.matches($0, effort: &effort)) })
        case .retries: return nil  // retry topics are not compacted
        }
    }

    /// As ``read(_:_:_:into:)``, waiting for the disk, and begins to read what will be looked for next.
    /// - Parameter isAhead: `false` reads no more than what is looked for.
    /// - Returns: what was found, and a copy of the records.
    func readAhead(_ store: MessageStore, _ isAhead: Bool = true) throws(SystemError) -> (ReadResult, [UInt8]) {
        var units = ByteBuffer()
        var result = ReadResult()
        if isAhead { queue.readAhead(from: nextOffset, byteCount: Self.readAheadUnitByteCount) }
        try read(store, .waiting, &units, into: &result)
        if isAhead { result.ranges.readAhead(Self.readAheadByteCount) }
        return (result, store.copy(&result, of: queue))
    }
}
