import Foundation
import MQBase
import MQBytes
import MQMessage

/// Seeds of a property test: MQ_SEED alone if it is set, else some fixed ones and a fresh one. A failure names its seed.
let seeds: [UInt64] = {
    if let seed = ProcessInfo.processInfo.environment["MQ_SEED"].flatMap(UInt64.init) { return [seed] }
    return [1, 2, 3, .random(in: .min ... .max)]
}()

extension SeededRandom {
    mutating func bytes(_ count: ClosedRange<Int>) -> [UInt8] {
        (0..<Int.random(in: count, using: &self)).map { _ in UInt8.random(in: .min ... .max, using: &self) }
    }

    mutating func name(_ count: ClosedRange<Int>) -> [UInt8] {
        let letters = Array("abcXYZ019_-%|".utf8)
        return (0..<Int.random(in: count, using: &self)).map { _ in
            letters[Int.random(in: 0..<letters.count, using: &self)]
        }
    }

    mutating func host() -> MessageHost {
        let isIPv6 = Bool.random(using: &self)
        return MessageHost(ip: bytes(isIPv6 ? 16...16 : 4...4), port: Int.random(in: 0...65535, using: &self))
    }
}

/// A record with everything a test may choose.
struct SampleRecord {
    var head = RecordHead(
        queueID: 3, flag: -7, sysFlag: [], bornTimestamp: Timestamp(rawValue: 1_700_000_000_123),
        bornHost: MessageHost(ip: [10, 1, 2, 3], port: 4567), storeHost: MessageHost(ip: [127, 0, 0, 1], port: 10911),
        reconsumeTimes: 2, preparedTransactionOffset: 99)
    var topic: [UInt8] = Array("TopicTest".utf8)
    var body: [UInt8] = Array("hello".utf8)
    var properties: [UInt8] = Properties.encode([("TAGS", "A"), ("KEYS", "k1 k2")])

    func encoded() throws -> [UInt8] {
        var buffer = ByteBuffer()
        let byteCount = try head.encode(topic: topic.span, body: body.span, into: &buffer) { $0.append(properties) }
        precondition(byteCount == buffer.count, "encode says \(byteCount), wrote \(buffer.count)")
        return buffer.toArray()
    }
}

/// The range of an array as an array.
func slice(_ bytes: [UInt8], _ range: Range<Int>) -> [UInt8] { Array(bytes[range]) }
