import MQBytes
import MQFilter
import MQRemoting
import MQStore
import MQSystem

/// One pull, parsed: what remains of a request when its frame is gone.
struct Pull {
    let channel: RemotingChannel
    let opaque: Int32
    var look: PullLook
    /// The offset asked for.
    let offset: Int64
    let topicSysFlag: Int
    let groupSysFlag: Int

    var queue: ConsumeQueue { look.queue }
}

/// What a pull looks for: all that a thread besides the loop needs to know of it.
struct PullLook: Sendable {
    let queue: ConsumeQueue
    let filter: TagFilter
    let limits: ReadLimits
    /// Where the look begins: messages before it were looked at and not wanted.
    var nextOffset: Int64

    /// Bytes of the log that are read ahead behind what a cold read found. A catching-up consumer asks for them next, and
    /// finds them in memory; then nothing is handed to another thread until it comes to their end.
    static let readAheadByteCount = 4 << 20
    /// The same for its queue's units: 13,000 of them.
    static let readAheadUnitByteCount = 256 << 10

    /// Looks for messages.
    func read(
        _ store: MessageStore, _ access: ReadAccess, _ units: inout ByteBuffer, into result: inout ReadResult
    ) throws(SystemError) {
        let filter = filter
        try store.read(
            queue, from: nextOffset, limits: limits, access: access, units: &units, into: &result,
            matches: filter.wantsAll ? nil : { filter.matches($0) })
    }

    /// As ``read(_:_:_:into:)``, waiting for the disk, and begins to read what will be looked for next.
    /// - Returns: what was found, and a copy of the records.
    func readAhead(_ store: MessageStore) throws(SystemError) -> (ReadResult, [UInt8]) {
        var units = ByteBuffer()
        var result = ReadResult()
        queue.readAhead(from: nextOffset, byteCount: Self.readAheadUnitByteCount)
        try read(store, .waiting, &units, into: &result)
        result.ranges.readAhead(Self.readAheadByteCount)
        return (result, store.copy(&result, of: queue))
    }
}
