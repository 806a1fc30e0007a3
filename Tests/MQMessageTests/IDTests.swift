import MQBase
import MQBytes
import MQMessage
import Testing

/// Goal: ids are spelled as RocketMQ's clients and tools take them apart.
@Suite struct IDTests {
    @Test func `an offset id names broker and place`() {
        let host = MessageHost(ip: [127, 0, 0, 1], port: 12411)
        let id = MessageID.offsetID(host: host, offset: PhysicalOffset(rawValue: 0x2BE0D1))
        #expect(id == "7F0000010000307B00000000002BE0D1")  // as Java 4.9.8 spelled it
        let decoded = MessageID.decodeOffsetID(id)
        #expect(decoded?.host == host)
        #expect(decoded?.offset.rawValue == 0x2BE0D1)
    }

    @Test func `an IPv6 address takes 56 digits`() {
        let host = MessageHost(ip: [0x20, 1, 0xD, 0xB8] + [UInt8](repeating: 0, count: 11) + [1], port: 10911)
        let id = MessageID.offsetID(host: host, offset: PhysicalOffset(rawValue: 255))
        #expect(id == "20010DB800000000000000000000000100002A9F00000000000000FF")
        #expect(MessageID.decodeOffsetID(id.lowercased())?.host == host)
        #expect(host.description == "[2001:db8:0:0:0:0:0:1]:10911")
    }

    @Test(arguments: ["", "7F", "7F0000010000307B00000000002BE0DX", "7F0000010000307BFF000000002BE0D1", "键键键键键键键键键键xx"])
    func `what is no offset id is none`(text: String) {
        #expect(MessageID.decodeOffsetID(text) == nil)
    }

    @Test(arguments: seeds)
    func `an offset id reads back`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<200 {
            let host = random.host()
            let offset = PhysicalOffset(rawValue: .random(in: 0 ... .max, using: &random))
            let decoded = MessageID.decodeOffsetID(MessageID.offsetID(host: host, offset: offset))
            #expect(decoded?.host == host)
            #expect(decoded?.offset == offset)
        }
    }

    @Test func `unique ids count, and begin anew each month`() {
        var maker = UniqueIDMaker(ip: [10, 0, 0, 1], processID: 0x1234, makerID: 0xCAFE) { now in
            now < 5000 ? (1000, 5000) : (5000, 9000)
        }
        var ids: [String] = []
        for time: Int64 in [1000, 1001, 4999, 5000, 4999] {
            var buffer = ByteBuffer()
            maker.append(at: Timestamp(rawValue: time), to: &buffer)
            ids.append(buffer.span.toString())
        }
        #expect(
            ids == [
                "0A00000112340000CAFE000000000000", "0A00000112340000CAFE000000010001",
                "0A00000112340000CAFE00000F9F0002", "0A00000112340000CAFE000000000003",
                "0A00000112340000CAFE00000F9F0004",
            ])
    }
}
