public import MQBase
public import MQBytes

/// Where the fields of a CommitLog record lie. Big-endian; shown for IPv4 hosts and magic V1:
/// ```
/// |0 totalSize i32|4 magic i32|8 bodyCRC i32|12 queueId i32|16 flag i32|20 queueOffset i64|28 physicalOffset i64|
/// |36 sysFlag i32|40 bornTimestamp i64|48 bornHost 8|56 storeTimestamp i64|64 storeHost 8|72 reconsumeTimes i32|
/// |76 preparedTransactionOffset i64|84 bodyLength i32, body|topicLength u8 (V2: i16), topic|propertiesLength i16, properties|
/// ```
/// An IPv6 host takes 12 bytes more. Source: `MessageDecoder.java`, `CommitLog.java`, RocketMQ 5.3.
public enum RecordLayout {
    /// A record whose topic has one length byte.
    public static let magicV1 = Int32(bitPattern: 0xDAA3_20A7)
    /// A record whose topic has two length bytes.
    public static let magicV2 = Int32(bitPattern: 0xDAA3_20AB)
    /// Marks the unused rest of a file; its size field counts the bytes up to the file's end.
    public static let magicBlank = Int32(bitPattern: 0xCBD4_3194)
    /// Size and magic of a blank.
    public static let blankByteCount = 8

    /// Position of `magic`.
    public static let magic = 4
    /// Position of `bodyCRC`.
    public static let bodyCRC = 8
    /// Position of `queueID`.
    public static let queueID = 12
    /// Position of `flag`.
    public static let flag = 16
    /// Position of `queueOffset`.
    public static let queueOffset = 20
    /// Position of `physicalOffset`.
    public static let physicalOffset = 28
    /// Position of `sysFlag`.
    public static let sysFlag = 36
    /// Position of `bornTimestamp`.
    public static let bornTimestamp = 40
    /// Position of `bornHost`.
    public static let bornHost = 48

    /// Where `storeTimestamp` lies.
    @inlinable public static func storeTimestamp(bornIPv6: Bool) -> Int { bornIPv6 ? 68 : 56 }

    /// Bytes before the body: everything up to and with bodyLength.
    @inlinable public static func headByteCount(bornIPv6: Bool, storeIPv6: Bool) -> Int {
        88 + (bornIPv6 ? 12 : 0) + (storeIPv6 ? 12 : 0)
    }

    /// Where the properties of the record at the start of `bytes` lie, found without looking at anything else; `nil` if
    /// its lengths contradict each other.
    public static func properties(in bytes: Span<UInt8>) -> Range<Int>? {
        guard bytes.count >= byteCountMin else { return nil }
        let sysFlag = SysFlag(rawValue: bytes.int32(at: sysFlag))
        let head = headByteCount(
            bornIPv6: sysFlag.contains(.bornHostIPv6), storeIPv6: sysFlag.contains(.storeHostIPv6))
        var reader = WireReader(bytes)
        do throws(WireError) {
            _ = try reader.range(head - 4, "record head")
            _ = try reader.range(Int(reader.int32("body length")), "body")
            let isLong = bytes.int32(at: magic) == magicV2
            _ = try reader.range(
                isLong ? Int(reader.int16("topic length")) : Int(reader.uint8("topic length")), "topic")
            return try reader.range(Int(reader.int16("properties length")), "properties")
        } catch {
            return nil
        }
    }

    /// A body's checksum as it is stored: the top bit is cleared; 0 for an empty body.
    @inlinable public static func storedCRC(_ body: Span<UInt8>) -> Int32 {
        Int32(bitPattern: CRC32.value(of: body) & 0x7FFF_FFFF)
    }

    /// The smallest number of bytes that can be a record.
    public static let byteCountMin = 91
}

/// A record in memory, taken apart without copying. The ranges are relative to the record's first byte.
public struct MessageRecord: Sendable {
    /// Bytes of the whole record.
    public let byteCount: Int
    /// `magicV1` or `magicV2`.
    public let magic: Int32
    /// The body's checksum as it was stored.
    public let bodyCRC: Int32
    /// The queue it belongs to.
    public let queueID: Int32
    /// The sender's, opaque.
    public let flag: Int32
    /// Its number in the queue; 0 for half and rolled-back messages.
    public let queueOffset: Int64
    /// Where it says it begins in the log.
    public let physicalOffset: Int64
    /// What kind of message it is.
    public let sysFlag: SysFlag
    /// When it was sent.
    public let bornTimestamp: Timestamp
    /// Who sent it.
    public let bornHost: MessageHost
    /// When it was stored.
    public let storeTimestamp: Timestamp
    /// The broker that stored it first.
    public let storeHost: MessageHost
    /// How often consumers sent it back.
    public let reconsumeTimes: Int32
    /// Of a committed message: where its half message begins.
    public let preparedTransactionOffset: Int64
    /// Where the body lies.
    public let body: Range<Int>
    /// Where the topic's name lies.
    public let topic: Range<Int>
    /// Where the properties lie.
    public let properties: Range<Int>

    /// Takes the record at the start of `bytes` apart. Every length is checked against the record's own size; the
    /// body's checksum is not (see ``hasIntactBody(_:)``).
    /// - Throws: `truncated` if `bytes` ends before the record does; `unknown` for another magic (a blank included).
    public init(_ bytes: Span<UInt8>) throws(WireError) {
        let outline = try RecordOutline(bytes)
        byteCount = outline.byteCount
        magic = bytes.int32(at: RecordLayout.magic)
        bodyCRC = bytes.int32(at: RecordLayout.bodyCRC)
        queueID = outline.queueID
        flag = bytes.int32(at: RecordLayout.flag)
        queueOffset = outline.queueOffset
        physicalOffset = outline.physicalOffset
        sysFlag = outline.sysFlag
        bornTimestamp = Timestamp(rawValue: bytes.int64(at: RecordLayout.bornTimestamp))
        let bornIPv6 = sysFlag.contains(.bornHostIPv6)
        let storeIPv6 = sysFlag.contains(.storeHostIPv6)
        let head = RecordLayout.headByteCount(bornIPv6: bornIPv6, storeIPv6: storeIPv6)
        bornHost = MessageHost(bytes, at: RecordLayout.bornHost, isIPv6: bornIPv6)
        let stored = RecordLayout.storeTimestamp(bornIPv6: bornIPv6)
        storeTimestamp = outline.storeTimestamp
        storeHost = MessageHost(bytes, at: stored + 8, isIPv6: storeIPv6)
        reconsumeTimes = bytes.int32(at: head - 16)
        preparedTransactionOffset = bytes.int64(at: head - 12)
        body = outline.body
        topic = outline.topic
        properties = outline.properties
    }

    /// Whether the body of this record, which `bytes` begins with, has the checksum that was stored with it.
    public func hasIntactBody(_ bytes: Span<UInt8>) -> Bool {
        body.isEmpty || RecordLayout.storedCRC(bytes.extracting(body)) == bodyCRC
    }
}

/// What a record is made from, but for what the append decides: offsets and the store's time.
public struct RecordHead: Sendable {
    /// The queue.
    public var queueID: Int32
    /// The sender's, opaque.
    public var flag: Int32
    /// The address bits always say what the addresses are, whatever the sender put there: a record whose head is
    /// longer than its flags say could not be read back.
    public let sysFlag: SysFlag
    /// When it was sent.
    public var bornTimestamp: Timestamp
    /// Who sent it.
    public let bornHost: MessageHost
    /// This broker.
    public let storeHost: MessageHost
    /// How often consumers sent it back.
    public var reconsumeTimes: Int32
    /// Of a committed message: where its half message begins.
    public var preparedTransactionOffset: Int64

    /// A head whose address bits follow the addresses.
    public init(
        queueID: Int32, flag: Int32, sysFlag: SysFlag, bornTimestamp: Timestamp, bornHost: MessageHost,
        storeHost: MessageHost, reconsumeTimes: Int32 = 0, preparedTransactionOffset: Int64 = 0
    ) {
        self.queueID = queueID
        self.flag = flag
        var sysFlag = sysFlag
        if bornHost.isIPv6 { sysFlag.insert(.bornHostIPv6) } else { sysFlag.remove(.bornHostIPv6) }
        if storeHost.isIPv6 { sysFlag.insert(.storeHostIPv6) } else { sysFlag.remove(.storeHostIPv6) }
        self.sysFlag = sysFlag
        self.bornTimestamp = bornTimestamp
        self.bornHost = bornHost
        self.storeHost = storeHost
        self.reconsumeTimes = reconsumeTimes
        self.preparedTransactionOffset = preparedTransactionOffset
    }

    /// Appends the whole record, with zeroes where the append will write (see ``RecordLayout``), and returns its size.
    /// - Parameter properties: appends the properties' stored form.
    /// - Throws: `lengthOutOfRange` if topic or properties are too long; the buffer is then as before.
    public func encode(
        topic: Span<UInt8>, body: Span<UInt8>, into buffer: inout ByteBuffer, properties: (inout ByteBuffer) -> Void
    ) throws(WireError) -> Int {
        let start = buffer.count
        let isLong = topic.count > 127
        guard topic.count <= 255 else { throw .lengthOutOfRange("topic length", topic.count) }
        buffer.reserve(160 + body.count + topic.count)
        appendHead(bodyByteCount: body.count, crc: RecordLayout.storedCRC(body), isLong: isLong, to: &buffer)
        buffer.append(body)
        if isLong { buffer.append(bigEndian: Int16(topic.count)) } else { buffer.append(UInt8(topic.count)) }
        buffer.append(topic)
        let lengthAt = buffer.count
        buffer.append(bigEndian: Int16(0))
        properties(&buffer)
        let propertiesByteCount = buffer.count - lengthAt - 2
        guard propertiesByteCount <= Properties.byteCountMax else {
            buffer.truncate(to: start)
            throw .lengthOutOfRange("properties length", propertiesByteCount)
        }
        buffer.store(bigEndian: Int16(propertiesByteCount), at: lengthAt)
        buffer.store(bigEndian: Int32(buffer.count - start), at: start)
        return buffer.count - start
    }
    /// Everything up to and with the body's length.
    private func appendHead(bodyByteCount: Int, crc: Int32, isLong: Bool, to buffer: inout ByteBuffer) {
        let magic = isLong ? RecordLayout.magicV2 : RecordLayout.magicV1
        // In pieces of known length: field by field it took three times as long.
        buffer.append(bigEndian: [
            0, UInt32(bitPattern: magic), UInt32(bitPattern: crc), UInt32(bitPattern: queueID),
            UInt32(bitPattern: flag), 0, 0, 0, 0, UInt32(bitPattern: sysFlag.rawValue),
            UInt32(truncatingIfNeeded: bornTimestamp.rawValue >> 32),
            UInt32(truncatingIfNeeded: bornTimestamp.rawValue),
        ])
        bornHost.append(to: &buffer)
        buffer.append(bigEndian: Int64(0))
        storeHost.append(to: &buffer)
        buffer.append(bigEndian: [
            UInt32(bitPattern: reconsumeTimes), UInt32(truncatingIfNeeded: preparedTransactionOffset >> 32),
            UInt32(truncatingIfNeeded: preparedTransactionOffset), UInt32(truncatingIfNeeded: bodyByteCount),
        ])
    }
}
