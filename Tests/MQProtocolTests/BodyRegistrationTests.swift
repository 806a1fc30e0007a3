import MQCompression
import MQJSON
import MQProtocol
import MQTestKit
import Testing

/// Goal: compressed registrations are read as Java wrote them, written as Java reads them, and bounded.
@Suite struct BodyRegistrationTests {
    private var sample: RegisterBrokerBody {
        var topics = TopicConfigSerializeWrapper(
            dataVersion: DataVersion(stateVersion: 1, timestamp: 2, counter: 3),
            topicConfigTable: [
                "a": TopicConfig(topicName: "a", attributes: ["message.type": "DE LAY"]),
                "%RETRY%b": TopicConfig(topicName: "%RETRY%b", readQueueNums: 1, writeQueueNums: 1, perm: .read),
            ])
        topics.topicQueueMappingInfoMap = ["a": ["topic": "a", "bname": "b", "currIdMap": [0: 0]]]
        return RegisterBrokerBody(topics, filterServerList: ["f:1"])
    }

    // Spans of temporaries inside #expect crash the compiler (Swift 6.3.1): these take arrays.
    private func read(_ bytes: [UInt8], expandedMax: Int = 1 << 20) throws -> RegisterBrokerBody {
        try RegisterBrokerBody(compressed: bytes.span, expandedMax: expandedMax)
    }

    private func deflate(_ bytes: [UInt8], level: Int = 5) throws -> [UInt8] {
        try Zlib.deflate(bytes.span, level: level)
    }

    private func inflate(_ bytes: [UInt8]) throws -> [UInt8] { try Zlib.inflate(bytes.span, outputMax: 10_000) }

    @Test(arguments: Golden.versions)
    func `Java's are read`(version: String) throws {
        let bodies = try Golden.frames(version: version)
            .filter { $0.askedCode == 103 && $0.body.first == 0x78 }
            .map { try read($0.body) }
        #expect(!bodies.isEmpty)
        for body in bodies {
            let topics = body.topicConfigSerializeWrapper
            #expect(!topics.topicConfigTable.isEmpty)
            #expect(topics.dataVersion.timestamp > 1_700_000_000_000)
            #expect(topics.topicConfigTable.allSatisfy { $0.key == $0.value.topicName && $0.value.readQueueNums > 0 })
            #expect((topics.topicQueueMappingInfoMap != nil) == (version == "5.3.3"))
            #expect(try read(body.compressed(forVersion5: version == "5.3.3")) == body)
        }
    }

    @Test func `both forms give the same back`() throws {
        #expect(try read(sample.compressed()) == sample)
        #expect(try RegisterBrokerBody(parsing: sample.encoded()) == sample)
        var old = sample
        old.topicConfigSerializeWrapper.topicQueueMappingInfoMap = nil
        old.topicConfigSerializeWrapper.topicConfigTable["a"]?.attributes = [:]
        #expect(try read(sample.compressed(forVersion5: false)) == old)
    }

    @Test func `a cut or lying stream is refused`() throws {
        let plain = try inflate(sample.compressed())
        // Cut behind the filter servers it is a 4.9 registration: complete without the mapping section.
        let oldEnd = plain.count - mappingSectionByteCount
        for count in 0..<plain.count where count != oldEnd {
            let cut = try deflate(Array(plain[..<count]))
            #expect(throws: BodyError.self, "cut at \(count)") { try read(cut) }
        }
        for position in plain.indices {
            for value: UInt8 in [0x00, 0x7F, 0xFF] {
                var bytes = plain
                bytes[position] = value
                _ = try? read(deflate(bytes))
            }
        }
    }

    private var mappingSectionByteCount: Int {
        8 + (sample.topicConfigSerializeWrapper.topicQueueMappingInfoMap?[0].value.encoded().count ?? 0)
    }

    @Test func `a bomb stops at the limit`() throws {
        let bomb = try deflate([UInt8](repeating: 0x20, count: 8 << 20), level: 9)
        #expect(throws: BodyError.compression(.tooLarge(max: 1 << 20))) {
            try read(bomb)
        }
    }

    @Test(arguments: ["a 1 1 6", "a x 1 6 SINGLE_TAG", "", "a 1 1 99999999999 SINGLE_TAG", "a 1 1 6 SINGLE_TAG {"])
    func `a malformed topic is named`(text: String) throws {
        var plain: [UInt8] = [0, 0, 0, 2] + Array("{}".utf8) + [0, 0, 0, 1]
        plain += [0, 0, 0, UInt8(text.utf8.count)] + Array(text.utf8) + [0, 0, 0, 2] + Array("[]".utf8)
        let stream = try deflate(plain)
        #expect(throws: BodyError.badTopicText(text)) { try read(stream) }
    }
}
