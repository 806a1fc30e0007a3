import MQBase
import MQBytes
import Testing

@testable import MQProtocol

/// Goal: an answer to a send that the short way takes reads as the general way reads it, and brokers' answers are taken.
/// Method: answers of our writer, random ones near to those, and damaged ones, read both ways.
@Suite struct SendAnswerReadingTests {
    private struct Read: Equatable {
        var code: Int32
        var opaque: Int32
        var queueID: Int32?
        var queueOffset: Int64?
        var texts: [String]
    }

    private static let names: [StaticString] = ["msgId", "MSG_REGION", "recallHandle"]

    private func short(_ bytes: [UInt8]) throws -> Read? {
        let frame = try #require(try RemotingFrame.decode(bytes.span, at: 0))
        guard let view = SendMessageAnswerView(frame, in: bytes.span) else { return nil }
        let texts = [view.messageID, view.region, view.recallHandle].map { bytes.span.extracting($0).toString() }
        return Read(
            code: view.code, opaque: view.opaque, queueID: view.queueID, queueOffset: view.queueOffset, texts: texts)
    }

    private func general(_ bytes: [UInt8]) throws -> Read? {
        let frame = try #require(try RemotingFrame.decode(bytes.span, at: 0))
        var header = RemotingHeader()
        do throws(WireError) { try header.decode(frame, in: bytes.span) } catch { return nil }
        guard header.isResponse else { return nil }
        return Read(
            code: header.code, opaque: header.opaque, queueID: try header.int32("queueId", in: bytes.span),
            queueOffset: try header.int64("queueOffset", in: bytes.span),
            texts: Self.names.map { header.string($0, in: bytes.span) ?? "" })
    }

    private func answer(offset: Int64, recallHandle: String = "") -> [UInt8] {
        var buffer = ByteBuffer()
        var answer = SendMessageAnswer(
            code: .success, opaque: 1 << 30 | 77, queueID: 12, queueOffset: offset, traceOn: "true")
        answer.recallHandle = Array(recallHandle.utf8)
        answer.append(
            to: &buffer, as: .json, transactionID: { $0.append("0A0B0C") },
            messageIDs: { $0.append("7F000001,7F000002") },
            region: Array("DefaultRegion".utf8))
        return buffer.toArray()
    }

    @Test func `answers of a broker are taken, whatever their numbers`() throws {
        for offset: Int64 in [0, 9, 10, 12_345_678, 123_456_789, 9_999_999_999] {
            let bytes = answer(offset: offset, recallHandle: offset == 9 ? "djEgYnJva2Vy" : "")
            let taken = try #require(try short(bytes))
            #expect(taken.queueOffset == offset && taken.queueID == 12 && taken.opaque == 1 << 30 | 77)
            #expect(taken == (try general(bytes)))
        }
        // More digits than are read at once: the general way has them.
        let long = answer(offset: 10_000_000_000)
        #expect(try short(long) == nil)
        #expect(try general(long)?.queueOffset == 10_000_000_000)
    }

    @Test func `an answer of Java with fields of its own is taken`() throws {
        let header =
            #"{"code":0,"extFields":{"queueId":"3","transactionId":"A1","msgId":"B2","TRACE_ON":"true","MSG_REGION":"x y","#
            + #""later":"on","queueOffset":"5"},"flag":1,"language":"JAVA","opaque":7,"serializeTypeCurrentRPC":"JSON","version":475}"#
        let bytes = Wire.frame(header)
        let taken = try #require(try short(bytes))
        #expect(taken == Read(code: 0, opaque: 7, queueID: 3, queueOffset: 5, texts: ["B2", "x y", ""]))
        #expect(taken == (try general(bytes)))
    }

    @Test func `what is written in another way is left to the general way`() throws {
        let usual = #"{"code":0,"extFields":{"queueId":"3"},"flag":1,"language":"JAVA","opaque":7,"#
        let end = #""serializeTypeCurrentRPC":"JSON","version":475}"#
        let others = [
            usual + #""remark":"no","# + end, #"{"code":0,"flag":1,"opaque":7}"#,
            usual.replacing(#""flag":1"#, with: #""flag":0"#) + end, usual.replacing("3", with: #"\u0033"#) + end,
            usual.replacing("JAVA", with: "CPP") + end, usual.replacing(#""queueId""#, with: #""queue\u0049d""#) + end,
            usual.replacing(#":"3""#, with: ":3") + end, usual.replacing(#""3""#, with: #""-3""#) + end,
            usual.replacing(#""3""#, with: #""""#) + end, usual.replacing("{\"code", with: "{ \"code") + end,
            usual + end + " ",
        ]
        for header in others { #expect(try short(Wire.frame(header)) == nil, "\(header)") }
        #expect(try short(Wire.frame(usual + end)) != nil)
    }

    @Test(arguments: [1, 2, 3, UInt64.random(in: .min ... .max)])
    func `damaged answers are read as the general way reads them, or not at all`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let whole = answer(offset: 123, recallHandle: "abc")
        var taken = 0
        for _ in 0..<20_000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let at = Int.random(in: 8..<bytes.count, using: &random)
                let other = bytes[Int.random(in: 8..<bytes.count, using: &random)]
                bytes[at] = Bool.random(using: &random) ? other : UInt8.random(in: 0...255, using: &random)
            }
            guard let short = try short(bytes) else { continue }
            taken += 1
            let general = try? general(bytes)
            #expect(short == general, "seed \(seed): \(String(decoding: bytes.dropFirst(8), as: UTF8.self))")
        }
        #expect(taken > 0)
    }
}
