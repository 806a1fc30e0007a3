import MQBase
import MQBytes
import MQMessage
import Testing

/// Goal: a record reads back as it was written, byte for byte as RocketMQ lays it out, and no byte of a foreign record
/// can make the reader stumble.
/// Method: examples spelled out by hand, then random records from seeds: round trips, cuts and flipped bytes.
@Suite struct RecordTests {
    @Test func `a record lies as RocketMQ lays it out`() throws {
        let bytes = try SampleRecord().encoded()
        let properties: [UInt8] = Array("TAGS\u{1}A\u{2}KEYS\u{1}k1 k2\u{2}".utf8)
        var expected: [UInt8] = [0, 0, 0, UInt8(91 + 5 + 9 + properties.count)]
        expected += [0xDA, 0xA3, 0x20, 0xA7]
        expected += [0x36, 0x10, 0xA6, 0x86]  // CRC-32 of "hello"
        expected += [0, 0, 0, 3, 0xFF, 0xFF, 0xFF, 0xF9]
        expected += [UInt8](repeating: 0, count: 16) + [0, 0, 0, 0]
        expected += [0, 0, 0x01, 0x8B, 0xCF, 0xE5, 0x68, 0x7B]
        expected += [10, 1, 2, 3, 0, 0, 0x11, 0xD7]
        expected += [UInt8](repeating: 0, count: 8) + [127, 0, 0, 1, 0, 0, 0x2A, 0x9F]
        expected += [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 99]
        expected += [0, 0, 0, 5] + Array("hello".utf8) + [9] + Array("TopicTest".utf8)
        expected += [0, UInt8(properties.count)] + properties
        #expect(bytes == expected)
    }

    @Test func `the top bit of a body's checksum is cleared and an empty body has none`() throws {
        var sample = SampleRecord()
        sample.body = Array("a".utf8)  // CRC-32 0xE8B7BE43
        var bytes = try sample.encoded()
        var record = try MessageRecord(bytes.span)
        #expect(record.bodyCRC == 0x68B7_BE43)
        sample.body = []
        bytes = try sample.encoded()
        record = try MessageRecord(bytes.span)
        #expect(record.bodyCRC == 0)
        let isIntact = record.hasIntactBody(bytes.span)
        #expect(isIntact)
    }

    @Test(arguments: [1, 127, 128, 255])
    func `a topic over 127 bytes takes the second version`(topicByteCount: Int) throws {
        var sample = SampleRecord()
        sample.topic = [UInt8](repeating: 97, count: topicByteCount)
        let bytes = try sample.encoded()
        let record = try MessageRecord(bytes.span)
        #expect(record.magic == (topicByteCount > 127 ? RecordLayout.magicV2 : RecordLayout.magicV1))
        #expect(slice(bytes, record.topic) == sample.topic)
        #expect(record.topic.lowerBound == record.body.upperBound + (topicByteCount > 127 ? 2 : 1))
    }

    @Test func `what is too long is refused and leaves the buffer as it was`() throws {
        var buffer = ByteBuffer()
        buffer.append(UInt8(1))
        let none: [UInt8] = []
        let sample = SampleRecord()
        #expect(throws: WireError.lengthOutOfRange("topic length", 256)) {
            let topic = [UInt8](repeating: 97, count: 256)
            return try sample.head.encode(topic: topic.span, body: sample.body.span, into: &buffer) { _ in }
        }
        #expect(buffer.count == 1)
        #expect(throws: WireError.lengthOutOfRange("properties length", 32768)) {
            try sample.head.encode(topic: sample.topic.span, body: none.span, into: &buffer) {
                $0.append(repeating: 97, count: 32768)
            }
        }
        #expect(buffer.count == 1)
        _ = try sample.head.encode(topic: sample.topic.span, body: none.span, into: &buffer) {
            $0.append(repeating: 97, count: 32767)
        }
        #expect(buffer.count == 1 + 91 + 9 + 32767)
    }

    @Test(arguments: [(false, false), (true, false), (false, true), (true, true)])
    func `the address bits follow the addresses whatever the sender says`(bornIPv6: Bool, storeIPv6: Bool) throws {
        let long = MessageHost(ip: Array(0..<16), port: 10911)
        let short = MessageHost(ip: [1, 2, 3, 4], port: 1)
        for lie in [SysFlag(), .bornHostIPv6, .storeHostIPv6, [.bornHostIPv6, .storeHostIPv6]] {
            var sample = SampleRecord()
            sample.head = RecordHead(
                queueID: 0, flag: 0, sysFlag: lie.union(.compressed), bornTimestamp: Timestamp(rawValue: 0),
                bornHost: bornIPv6 ? long : short, storeHost: storeIPv6 ? long : short)
            let bytes = try sample.encoded()
            let record = try MessageRecord(bytes.span)
            #expect(record.bornHost == sample.head.bornHost)
            #expect(record.storeHost == sample.head.storeHost)
            #expect(record.sysFlag.contains(.bornHostIPv6) == bornIPv6)
            #expect(record.sysFlag.contains(.storeHostIPv6) == storeIPv6)
            #expect(record.sysFlag.contains(.compressed))
            #expect(slice(bytes, record.body) == sample.body)
        }
    }

    @Test(arguments: seeds)
    func `a record reads back as it was written`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<300 {
            let (sample, bytes) = try randomRecord(&random)
            let longer = bytes + random.bytes(0...20)
            let record = try MessageRecord(longer.span)
            #expect(record.byteCount == bytes.count)
            #expect(record.queueID == sample.head.queueID)
            #expect(record.flag == sample.head.flag)
            #expect(record.bornTimestamp == sample.head.bornTimestamp)
            #expect(record.bornHost == sample.head.bornHost)
            #expect(record.storeHost == sample.head.storeHost)
            #expect(record.reconsumeTimes == sample.head.reconsumeTimes)
            #expect(record.preparedTransactionOffset == sample.head.preparedTransactionOffset)
            #expect(slice(bytes, record.topic) == sample.topic)
            #expect(slice(bytes, record.body) == sample.body)
            #expect(slice(bytes, record.properties) == sample.properties)
            let found = RecordLayout.properties(in: longer.span)
            #expect(found == record.properties)
            let isIntact = record.hasIntactBody(bytes.span)
            #expect(isIntact)
        }
    }

    @Test(arguments: seeds)
    func `a record that is cut or changed never traps and is never taken for longer than it is`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<100 {
            var (_, bytes) = try randomRecord(&random)
            let cut = Int.random(in: 0..<bytes.count, using: &random)
            let part = slice(bytes, 0..<cut)
            #expect(throws: WireError.self) { _ = try MessageRecord(part.span) }
            for _ in 0..<20 {
                let index = Int.random(in: 0..<min(bytes.count, 130), using: &random)
                bytes[index] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
                let found = RecordLayout.properties(in: bytes.span)
                #expect(found.map { $0.upperBound <= bytes.count } ?? true)
                guard let record = try? MessageRecord(bytes.span) else { continue }
                #expect(found == record.properties)
                #expect(record.byteCount <= bytes.count)
                #expect(record.properties.upperBound == record.byteCount)
                _ = record.hasIntactBody(bytes.span)
            }
        }
    }

    @Test(arguments: seeds)
    func `noise is refused`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<500 {
            var bytes = random.bytes(0...200)
            if bytes.count > 8 {  // noise that looks like a record at first
                for (index, byte) in [0xDA, 0xA3, 0x20, 0xA7].enumerated() { bytes[4 + index] = UInt8(byte) }
                bytes[0] = 0
                bytes[1] = 0
                bytes[2] = 0
            }
            let found = RecordLayout.properties(in: bytes.span)
            #expect(found.map { $0.upperBound <= bytes.count } ?? true)
            if let record = try? MessageRecord(bytes.span) { #expect(record.byteCount <= bytes.count) }
        }
    }

    private func randomRecord(_ random: inout SeededRandom) throws -> (SampleRecord, [UInt8]) {
        var sample = SampleRecord()
        sample.head = RecordHead(
            queueID: .random(in: .min ... .max, using: &random), flag: .random(in: .min ... .max, using: &random),
            sysFlag: SysFlag(rawValue: .random(in: 0...0x7FF, using: &random)),
            bornTimestamp: Timestamp(rawValue: .random(in: .min ... .max, using: &random)), bornHost: random.host(),
            storeHost: random.host(), reconsumeTimes: .random(in: .min ... .max, using: &random),
            preparedTransactionOffset: .random(in: .min ... .max, using: &random))
        sample.topic = random.name(1...255)
        sample.body = random.bytes(0...400)
        sample.properties = random.bytes(0...200)
        return (sample, try sample.encoded())
    }
}
