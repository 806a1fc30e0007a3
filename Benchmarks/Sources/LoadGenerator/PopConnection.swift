import BenchWire
import Glibc

/// A consumer that pops: one pop at a time over all queues of its topic, and an ack for each message, as RocketMQ's
/// clients do. The acks of one pop and the next pop leave together.
final class PopConnection: ConsumerConnection {
    /// Opaques of acks; pops have odd numbers below.
    private static let firstAck = 2_000_000_000

    let descriptor: Int32
    private let options: LoadOptions
    private let topic: String
    private var input = InputBuffer(capacity: 512 * 1024)
    private var output = OutputBuffer()
    /// Answer waited for; 0 if none.
    private var opaque = 0
    private var nextOpaque = 1_000_000_001
    private var askedAt: Int64 = 0
    private var retryAt: Int64 = 0

    init(_ descriptor: Int32, options: LoadOptions, topic: String) {
        self.descriptor = descriptor
        self.options = options
        self.topic = topic
    }

    var hasOutput: Bool { !output.isEmpty }

    func ask(now: Int64) -> Int64? {
        guard opaque == 0 else { return nil }
        guard retryAt <= now else { return retryAt }
        opaque = nextOpaque
        nextOpaque += 2
        askedAt = now
        let header = """
            {"code":200050,"extFields":{"bornTime":"0","consumerGroup":"\(options.group)","expType":"TAG","exp":"*",\
            "initMode":"0","invisibleTime":"60000","maxMsgNums":"\(min(32, options.pullMax))","order":"false",\
            "pollTime":"15000","queueId":"-1","topic":"\(topic)"},"flag":0,"language":"JAVA","opaque":\(opaque),\
            "serializeTypeCurrentRPC":"JSON","version":479}
            """
        output.append(frameBytes(header: header))
        return nil
    }

    func flush() -> Bool { output.flush(to: descriptor) }

    func fill() -> Bool { input.fill(from: descriptor) }

    func takeAnswers(into result: inout SideResult, now: Instants) {
        while let frame = input.next() {
            let answered = FrameScan.opaque(frame.header, frame.headerCount, isBinary: frame.isBinary)
            let code = FrameScan.code(frame.header, frame.headerCount, isBinary: frame.isBinary)
            if answered == Self.firstAck {
                if code == 0 { result.messageCount += 1 } else { result.errors[code, default: 0] += 1 }
            } else if answered == opaque {
                opaque = 0
                take(frame, code, into: &result, now)
                _ = ask(now: now.now)
            }
        }
    }

    private func take(_ frame: InputBuffer.Frame, _ code: Int, into result: inout SideResult, _ now: Instants) {
        switch code {
        case 0:
            result.pullCount += 1
            result.latency.record(UInt64(max(0, now.now - askedAt)))
            acknowledge(frame, &result)
        case 210: break  // nothing came in time
        default:
            result.errors[code, default: 0] += 1
            retryAt = now.now + 100_000_000
        }
    }

    /// Sends an ack for each record of an answer.
    private func acknowledge(_ frame: InputBuffer.Frame, _ result: inout SideResult) {
        let popTime = FrameScan.field("\"popTime\":", frame.header, frame.headerCount) ?? 0
        let revive = FrameScan.field("\"reviveQid\":", frame.header, frame.headerCount) ?? 0
        let starts = starts(frame)
        var at = 0
        while at < frame.bodyCount {
            let record = frame.body + at
            guard frame.bodyCount - at >= 91 else { return result.corruptCount += 1 }
            let size = FrameScan.int32(record)
            guard size >= 91, size <= frame.bodyCount - at else { return result.corruptCount += 1 }
            let queue = FrameScan.int32(record + 12)
            let offset = FrameScan.int64(record + 20)
            guard let start = starts[queue] else { return result.corruptCount += 1 }
            result.bodyByteCount += size
            let header = """
                {"code":200051,"extFields":{"consumerGroup":"\(options.group)","extraInfo":"\(start) \(popTime) 60000 \
                \(revive) 0 broker-a \(queue) \(offset)","offset":"\(offset)","queueId":"\(queue)",\
                "topic":"\(topic)"},"flag":0,"language":"JAVA","opaque":\(Self.firstAck),\
                "serializeTypeCurrentRPC":"JSON","version":479}
                """
            output.append(frameBytes(header: header))
            at += size
        }
    }

    /// Where the pop began in each queue: `kind queue start`, `;` between.
    private func starts(_ frame: InputBuffer.Frame) -> [Int: Int] {
        let name: StaticString = "\"startOffsetInfo\":\""
        guard let found = FrameScan.find(name, frame.header, frame.headerCount) else { return [:] }
        var starts: [Int: Int] = [:]
        var (numbers, count) = ((0, 0, 0), 0)
        var at = found + name.utf8CodeUnitCount
        while at < frame.headerCount {
            let byte = frame.header.load(fromByteOffset: at, as: UInt8.self)
            at += 1
            switch byte {
            case 0x30...0x39:
                let digit = Int(byte - 0x30)
                if count == 1 { numbers.1 = numbers.1 * 10 + digit }
                if count == 2 { numbers.2 = numbers.2 * 10 + digit }
            case 0x20: count += 1
            default:
                if count == 2 { starts[numbers.1] = numbers.2 }
                (numbers, count) = ((0, 0, 0), 0)
                if byte == 0x22 { return starts }
            }
        }
        return starts
    }
}
