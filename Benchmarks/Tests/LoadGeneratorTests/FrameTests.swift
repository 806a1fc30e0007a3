import BenchWire
import Testing

@testable import LoadGenerator

@Suite struct FrameTests {
    /// What `FrameScan` reads of a JSON header.
    private func read(_ header: String) -> (code: Int, opaque: Int) {
        Array(header.utf8).withUnsafeBytes {
            (
                FrameScan.code($0.baseAddress!, $0.count, isBinary: false),
                FrameScan.opaque($0.baseAddress!, $0.count, isBinary: false)
            )
        }
    }

    @Test func `code and opaque are found in any order`() {
        #expect(read("{\"code\":310,\"flag\":0,\"opaque\":17,\"version\":479}") == (310, 17))
        #expect(read("{\"opaque\": 5, \"version\": 1, \"code\": 0}") == (0, 5))
        #expect(read("{\"flag\":1}") == (-1, -1))
        #expect(read("{}") == (-1, -1))
    }

    @Test(arguments: [true, false])
    func `a send request has its changing parts where the template says`(usesFirstSendCode: Bool) {
        var options = LoadOptions()
        options.usesFirstSendCode = usesFirstSendCode
        options.bodyByteCount = 100
        let key = "ABCDEF0123456789ABCDEF01"
        let template = SendTemplate(options, topic: "t_0", queue: 3, keyHead: key)
        func text(_ start: Int, _ count: Int) -> String {
            String(decoding: template.bytes[start..<start + count], as: UTF8.self)
        }
        #expect(text(template.opaqueAt, 11) == "1000000000,")
        #expect(text(template.bornAt - 1, 15) == "\"1000000000000\"")
        #expect(text(template.sequenceAt - 24, 32) == key + "00000000")
        #expect(template.stampAt == template.bytes.count - 92)
        let total = template.bytes.withUnsafeBytes { FrameScan.int32($0.baseAddress!) }
        #expect(total == template.bytes.count - 4)
    }

    @Test func `digits are written in place`() {
        var bytes = [UInt8](repeating: 0x2E, count: 24)
        bytes.withUnsafeMutableBytes {
            putDecimal(1_234_567_890, digits: 10, at: $0.baseAddress!)
            putHex(0xDEAD_0BEE, at: $0.baseAddress! + 11)
        }
        #expect(String(decoding: bytes, as: UTF8.self) == "1234567890.DEAD0BEE.....")
    }
}
