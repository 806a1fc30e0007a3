package import MQBytes

/// One slot of the wheel: the units that wait for one second. 32 bytes, big-endian:
/// `| time i64, in slots since 1970 | first i64 | last i64 | count i32 | 0 i32 |`.
/// Source: `Slot.java`, `TimerWheel.java`, RocketMQ 5.3.
package struct TimerSlot: Equatable, Sendable {
    /// Bytes of one slot.
    package static let byteCount = 32

    /// Which second it is, counted in slots since 1970; 0 in one that was never used.
    package var number: Int64 = 0
    /// Its first unit in the timer log.
    package var first: Int64 = 0
    /// Its last unit; each knows the one before it.
    package var last: Int64 = 0
    /// Messages that wait, less those that were taken back.
    package var count: Int32 = 0
    /// Not used; kept.
    package var magic: Int32 = 0

    /// One that was never used.
    package init() {}

    /// One with a first unit.
    package init(number: Int64, unit position: Int64, count: Int32) {
        self.number = number
        first = position
        last = position
        self.count = count
    }

    /// Reads the slot at `offset`.
    /// - Precondition: 32 bytes are there.
    package init(_ bytes: Span<UInt8>, at offset: Int) {
        number = bytes.int64(at: offset)
        first = bytes.int64(at: offset + 8)
        last = bytes.int64(at: offset + 16)
        count = bytes.int32(at: offset + 24)
        magic = bytes.int32(at: offset + 28)
    }

    /// Appends the 32 bytes.
    package func append(to bytes: inout ByteBuffer) {
        bytes.append(bigEndian: number)
        bytes.append(bigEndian: first)
        bytes.append(bigEndian: last)
        bytes.append(bigEndian: count)
        bytes.append(bigEndian: magic)
    }

    /// The slot with one more unit behind the others.
    /// - Parameter isDelete: it takes a message back instead of adding one.
    mutating func add(_ position: Int64, isDelete: Bool) {
        last = position
        count = count &+ (isDelete ? -1 : 1)
    }
}
