import MQBytes
import MQMessage
import Testing

@testable import MQProtocol

/// Headers as peers write them and as nobody should.
@Suite struct HeaderTests {
    private func decode(_ header: String) throws -> RemotingCommand {
        try RemotingCommand(frame: Wire.frame(header).span)
    }

    @Test func `keys come in any order, with blanks, unknown ones and nulls`() throws {
        let command = try decode(
            """
             { "version" : 401 ,"x":[{"y":[1,-2.5e3,true,null]}], "extFields": {"a" : "1", "n":null,"o":{"p":1}, "t":true},
               "remark":null,"opaque":-7,"language":"GO","flag":2,"code":310 }
            """)
        #expect(command.code == 310 && command.version == 401 && command.opaque == -7 && command.isOneWay)
        #expect(command.language == .go && command.remark == nil)
        #expect(command.fields.map { "\($0.name)=\($0.value)" } == ["a=1", "t=true"])
    }

    @Test func `an absent or empty header is all zeroes`() throws {
        #expect(try decode("{}").code == 0)
        #expect(try decode(#"{"extFields":{},"code":null}"#).fields.isEmpty)
        #expect(try decode(#"{"extFields":null}"#).fields.isEmpty)
    }

    @Test(arguments: [
        (#""OTHER""#, LanguageCode.other), (#""NODE_JS""#, .nodeJS), ("9", .go), (#""1""#, .cpp), ("77", .other),
        ("-1", .other),
        (#""SWIFT""#, .other),
    ])
    func `languages come as names and numbers`(text: String, wanted: LanguageCode) throws {
        #expect(try decode("{\"language\":\(text)}").language == wanted)
    }

    @Test func `escapes stand for what they stand for`() throws {
        let command = try decode(
            #"{"remark":"\"\\\/\b\f\n\r\t\v\'\u0041\u00e9\u20AC\ud83d\ude00\x41\0\7","extFields":{"k\u0041":"v"}}"#)
        #expect(command.remark == "\"\\/\u{8}\u{c}\n\r\t\u{b}'Aé€😀A\u{0}\u{7}")
        #expect(command["kA"] == "v")
    }

    @Test(arguments: [#"\ud83d"#, #"\ud83dx"#, #"\ud83d\u0041"#, #"\ude00"#, #"\ud83d\ud83d"#])
    func `a lone surrogate becomes the replacement character`(escape: String) throws {
        let remark = try #require(try decode("{\"remark\":\"\(escape)\"}").remark)
        #expect(remark.unicodeScalars.first == "\u{FFFD}")
    }

    @Test(arguments: [
        "", "{", "}", "[]", "null", "{\"code\"}", "{\"code\":}", "{\"code\":1", "{\"code\":1,", "{\"code\":1,}",
        "{\"code\":x}",
        "{\"code\":1.5}", "{\"code\":99999999999}", "{\"opaque\":\"\"}", "{code:1}", "{\"remark\":\"",
        "{\"remark\":\"\\",
        "{\"remark\":\"\\q\"}", "{\"remark\":\"\\u12\"}", "{\"remark\":\"\\u12g4\"}", "{\"remark\":\"\\x1\"",
        "{\"extFields\":{\"a\":\"b\"", "{\"extFields\":{\"a\"}}", "{\"extFields\":{\"a\":\"b\",}}", "{\"x\":]}",
        "{\"x\":{]}",
        "{\"x\":,}", "{\"version\":--1}",
    ])
    func `what is no header is refused`(text: String) {
        if text == "{\"x\":{]}" { return }  // passed over by counting, not matched: only its depth matters
        #expect(throws: WireError.self, "\(text)") { _ = try decode(text) }
    }

    @Test func `an empty header is refused in both forms`() {
        for type in [UInt8(0), 1] {
            #expect(throws: WireError.self) { _ = try RemotingCommand(frame: Wire.frame(type: type, header: []).span) }
        }
    }

    @Test func `header bombs are refused`() {
        let deep = "{\"x\":" + String(repeating: "[", count: 500_000)
        #expect(throws: WireError.tooMany("levels in a JSON header", limit: RemotingHeader.depthMax)) {
            _ = try decode(deep)
        }
        let deepObjects = "{\"extFields\":{\"x\":" + String(repeating: "{\"a\":", count: 100_000)
        #expect(throws: WireError.self) { _ = try decode(deepObjects) }
        let fields = (0..<100_000).map { "\"\($0)\":\"\"" }.joined(separator: ",")
        #expect(throws: WireError.tooMany("ext fields", limit: RemotingHeader.fieldsMax)) {
            _ = try decode("{\"extFields\":{\(fields)}}".prefix(RemotingFrame.headerByteCountMax).description)
        }
        // Repeating the member does not start the count anew.
        let half = (0..<300).map { "\"\($0)\":\"\"" }.joined(separator: ",")
        #expect(throws: WireError.tooMany("ext fields", limit: RemotingHeader.fieldsMax)) {
            _ = try decode("{\"extFields\":{\(half)},\"extFields\":{\(half)}}")
        }
        let huge = Wire.frame(
            "{\"remark\":\"" + String(repeating: "r", count: RemotingFrame.headerByteCountMax) + "\"}")
        #expect(throws: WireError.self) { _ = try RemotingFrame.decode(huge.span, at: 0) }
    }

    @Test func `a binary header with lengths that lie is refused`() throws {
        func binary(remark: Int32 = 0, ext: Int32? = nil, rest: [UInt8] = []) -> [UInt8] {
            var header = ByteBuffer()
            header.append(bigEndian: Int16(310))
            header.append(0)
            header.append(bigEndian: Int16(401))
            header.append(bigEndian: Int32(1))
            header.append(bigEndian: Int32(0))
            header.append(bigEndian: remark)
            if let ext { header.append(bigEndian: ext) }
            header.append(rest)
            return Wire.frame(type: 1, header: header.toArray())
        }
        #expect(try RemotingCommand(frame: binary().span).code == 310)
        #expect(try RemotingCommand(frame: binary(ext: 8, rest: [0, 1, 97, 0, 0, 0, 1, 98]).span)["a"] == "b")
        let bad = [
            binary(remark: -1), binary(remark: .max), binary(remark: 5), binary(ext: -1), binary(ext: .max),
            binary(ext: 1),
            binary(ext: 8, rest: [255, 255, 97, 0, 0, 0, 1, 98]),
            binary(ext: 8, rest: [0, 1, 97, 255, 255, 255, 255, 98]),
            binary(ext: 8, rest: [0, 1, 97, 127, 255, 255, 255, 98]), binary(ext: 7, rest: [0, 1, 97, 0, 0, 0, 1, 98]),
            binary(ext: 6 * 600, rest: [UInt8](repeating: 0, count: 6 * 600)),
        ]
        for frame in bad { #expect(throws: WireError.self) { _ = try RemotingCommand(frame: frame.span) } }
    }

    @Test func `every text travels through both forms`() throws {
        let texts = [
            "", "plain", "\u{1}a\u{2}b\u{1f}", "\"\\/\n\r\t\u{8}\u{c}\u{0}", "é€😀\u{FFFD}",
            String(repeating: "\"", count: 32_767),
        ]
        for text in texts {
            var command = RemotingCommand(
                .sendMessageV2, ["i": text, "": "empty name", text.prefix(100).description + "k": "v"])
            command.opaque = .min
            command.remark = text.isEmpty ? nil : text
            #expect(try RemotingCommand(frame: command.frame().span) == command)
            #expect(try RemotingCommand(frame: command.frame(as: .rocketMQ).span) == command)
        }
    }
}

/// The typed headers of the data plane.
@Suite struct TypedHeaderTests {
    private func send(_ command: RemotingCommand, type: SerializeType = .json) throws -> (SendMessageRequest, [UInt8]) {
        let bytes = command.frame(as: type)
        let (header, _) = try Self.header(bytes)
        let request =
            command.requestCode == .sendMessage
            ? try SendMessageRequest(long: header, in: bytes.span)
            : try SendMessageRequest(short: header, in: bytes.span)
        return (request, bytes)
    }

    private static func header(_ bytes: [UInt8]) throws -> (RemotingHeader, RemotingFrame) {
        let frame = try #require(try RemotingFrame.decode(bytes.span, at: 0))
        var header = RemotingHeader()
        try header.decode(frame, in: bytes.span)
        return (header, frame)
    }

    static let short: KeyValuePairs = [
        "a": "group", "b": "topic", "c": "TBW102", "d": "4", "e": "-1", "f": "3", "g": "1795241524644", "h": "-9",
        "i": "KEYS\u{1}k\u{2}", "j": "2", "k": "false", "l": "16", "m": "TRUE", "n": "broker-a",
    ]
    static let long: KeyValuePairs = [
        "producerGroup": "group", "topic": "topic", "defaultTopic": "TBW102", "defaultTopicQueueNums": "4",
        "queueId": "-1",
        "sysFlag": "3", "bornTimestamp": "1795241524644", "flag": "-9", "properties": "KEYS\u{1}k\u{2}",
        "reconsumeTimes": "2",
        "unitMode": "false", "maxReconsumeTimes": "16", "batch": "true", "bname": "broker-a",
    ]

    @Test(arguments: [RequestCode.sendMessage, .sendMessageV2, .sendBatchMessage], [SerializeType.json, .rocketMQ])
    func `a send reads the same by short and long names`(code: RequestCode, type: SerializeType) throws {
        let command = RemotingCommand(code, code == .sendMessage ? Self.long : Self.short)
        let (request, bytes) = try send(command, type: type)
        #expect(request.producerGroup.string(in: bytes.span) == "group")
        #expect(request.topic.string(in: bytes.span) == "topic")
        #expect(request.defaultTopic.string(in: bytes.span) == "TBW102")
        #expect(request.properties.string(in: bytes.span) == "KEYS\u{1}k\u{2}")
        #expect(request.defaultTopicQueueNums == 4 && request.queueID == -1 && request.sysFlag.rawValue == 3)
        #expect(request.bornTimestamp == 1_795_241_524_644 && request.flag == -9 && request.reconsumeTimes == 2)
        #expect(request.maxReconsumeTimes == 16 && request.isBatch)
    }

    @Test func `absent fields of a send are zero`() throws {
        for code in [RequestCode.sendMessage, .sendMessageV2] {
            let (request, _) = try send(RemotingCommand(code))
            #expect(
                request.topic.isEmpty && request.queueID == 0 && request.maxReconsumeTimes == nil && !request.isBatch)
        }
    }

    @Test(arguments: ["", "x", "1.0", "99999999999", "0x1", " 1"])
    func `a number that is none is refused`(text: String) {
        #expect(throws: WireError.self) { _ = try send(RemotingCommand(.sendMessageV2, ["e": text])) }
        #expect(throws: WireError.self) { _ = try send(RemotingCommand(.sendMessage, ["queueId": text])) }
        #expect(throws: WireError.self) {
            let bytes = RemotingCommand(.pullMessage, ["maxMsgNums": text]).frame()
            _ = try PullMessageRequest(try Self.header(bytes).0, in: bytes.span)
        }
    }

    @Test func `a pull reads all its fields`() throws {
        let command = RemotingCommand(
            .pullMessage,
            [
                "consumerGroup": "g", "topic": "t", "queueId": "3", "queueOffset": "9223372036854775807",
                "maxMsgNums": "32",
                "sysFlag": "7", "commitOffset": "-1", "suspendTimeoutMillis": "15000", "subscription": "A || B",
                "subVersion": "12", "expressionType": "TAG", "maxMsgBytes": "2147483647", "bname": "x",
            ])
        for type in [SerializeType.json, .rocketMQ] {
            let bytes = command.frame(as: type)
            let request = try PullMessageRequest(try Self.header(bytes).0, in: bytes.span)
            #expect(request.consumerGroup.string(in: bytes.span) == "g" && request.topic.string(in: bytes.span) == "t")
            #expect(request.queueID == 3 && request.queueOffset == .max && request.maxMessageCount == 32)
            #expect(request.flags == [.commitOffset, .suspend, .subscription] && request.commitOffset == -1)
            #expect(request.suspendMilliseconds == 15_000 && request.subscriptionVersion == 12)
            #expect(request.subscription?.string(in: bytes.span) == "A || B")
            #expect(request.expressionType?.string(in: bytes.span) == "TAG" && request.maxMessageByteCount == .max)
        }
    }

    @Test(arguments: [
        (Int32(213), "V4_0_0"), (273, "V4_3_0"), (335, "V4_6_1"), (399, "V4_9_3"), (401, "V4_9_4"), (409, "V4_9_8"),
        (413, "V5_0_0"), (433, "V5_1_0"), (441, "V5_1_4"), (453, "V5_2_0"), (473, "V5_3_0"), (479, "V5_3_3"),
        (493, "V5_4_0"),
        (513, "V5_5_0"), (612, "HIGHER_VERSION"), (9999, "HIGHER_VERSION"), (478, "V5_3_3_SNAPSHOT"),
        (212, "V4_0_0_SNAPSHOT"),
    ])
    func `versions have names`(ordinal: Int32, text: String) { #expect(ProtocolVersion.text(ordinal) == text) }
}
