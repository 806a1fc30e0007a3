import BenchWire
import Glibc

/// END_TRANSACTION laid out once, as a commit; what differs from message to message is the opaque and the half message's
/// place, both in numbers of fixed length.
struct CommitTemplate {
    /// Leading zeroes make every offset as long as the longest.
    static let offsetDigits = 18

    let bytes: [UInt8]
    let opaqueAt: Int
    let queueOffsetAt: Int
    let logOffsetAt: Int

    init(_ options: LoadOptions) {
        let zeroes = String(repeating: "0", count: Self.offsetDigits)
        let header = """
            {"code":37,"extFields":{"commitLogOffset":"\(zeroes)","commitOrRollback":"8","fromTransactionCheck":"false",\
            "producerGroup":"\(options.group)","tranStateTableOffset":"\(zeroes)"},"flag":0,"language":"JAVA",\
            "opaque":1000000000,"serializeTypeCurrentRPC":"JSON","version":479}
            """
        let frame = frameBytes(header: header, body: [])
        func place(_ text: StaticString) -> Int {
            frame.withUnsafeBytes { FrameScan.find(text, $0.baseAddress!, frame.count)! } + text.utf8CodeUnitCount
        }
        bytes = frame
        opaqueAt = place("\"opaque\":")
        queueOffsetAt = place("\"tranStateTableOffset\":\"")
        logOffsetAt = place("\"commitLogOffset\":\"")
    }

    /// Lays the commit of the half message that `header` answered out in `frame`. `false` if it is no such answer.
    func layOut(
        _ frame: UnsafeMutableRawPointer, opaque: Int, answer header: UnsafeRawPointer, _ count: Int
    ) -> Bool {
        guard let queueOffset = FrameScan.field("\"queueOffset\":", header, count),
            let id = FrameScan.find("\"msgId\":\"", header, count), id + 9 + 32 <= count
        else { return false }
        var logOffset = 0
        for index in 0..<16 {  // the last half of the id
            let digit = Int(header.load(fromByteOffset: id + 9 + 16 + index, as: UInt8.self))
            logOffset = logOffset << 4 | (digit < 0x3A ? digit & 15 : (digit & 15) + 9)
        }
        memcpy(frame, bytes, bytes.count)
        putDecimal(opaque, digits: 10, at: frame + opaqueAt)
        putDecimal(queueOffset, digits: Self.offsetDigits, at: frame + queueOffsetAt)
        putDecimal(logOffset, digits: Self.offsetDigits, at: frame + logOffsetAt)
        return true
    }
}
