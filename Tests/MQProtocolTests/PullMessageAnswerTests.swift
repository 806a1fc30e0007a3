import MQBytes
import Testing

@testable import MQProtocol

@Suite struct PullMessageAnswerTests {
    private let answer = PullMessageAnswer(
        code: .pullOffsetMoved, opaque: -7, remark: "OFFSET_TOO_SMALL", nextBeginOffset: 1_234_567_890_123,
        minOffset: 3, maxOffset: .max, groupSysFlag: 1, topicSysFlag: 2)

    @Test func `the short way writes what the general way writes`() {
        var short = ByteBuffer()
        answer.append(to: &short, as: .json, bodyByteCount: 77)
        var general = ByteBuffer()
        var writer = ResponseWriter(&general, type: .json, code: answer.code.rawValue)
        let fields: [(StaticString, Int64)] = [
            ("suggestWhichBrokerId", 0), ("groupSysFlag", 1), ("nextBeginOffset", 1_234_567_890_123),
            ("maxOffset", .max), ("minOffset", 3), ("topicSysFlag", 2),
        ]
        for (name, value) in fields { writer.field(name, value, to: &general) }
        writer.finish(opaque: -7, remark: "OFFSET_TOO_SMALL", bodyByteCount: 77, in: &general)
        #expect(short.toArray() == general.toArray())
    }

    @Test(arguments: [SerializeType.json, .rocketMQ])
    func `a client reads back what was written`(type: SerializeType) throws {
        var buffer = ByteBuffer()
        answer.append(to: &buffer, as: type, bodyByteCount: 3)
        buffer.append([1, 2, 3])
        let command = try RemotingCommand(frame: buffer.span)
        #expect(command.code == ResponseCode.pullOffsetMoved.rawValue)
        #expect(command.opaque == -7)
        #expect(command.remark == "OFFSET_TOO_SMALL")
        #expect(command.int64("nextBeginOffset") == 1_234_567_890_123)
        #expect(command.int64("maxOffset") == .max)
        #expect(command.body == [1, 2, 3])
    }
}
