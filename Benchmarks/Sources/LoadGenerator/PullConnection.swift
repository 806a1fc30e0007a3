import BenchWire
import Glibc

/// A consumer's connection: one pull at a time for each of its queues, as RocketMQ's clients do.
final class PullConnection: ConsumerConnection {
    let descriptor: Int32
    private var queues: [Queue]
    private let indexMask: Int
    private var generation = 0
    private var input = InputBuffer(capacity: 512 * 1024)
    private var output = OutputBuffer()
    /// Messages may be missing between those that come.
    private let isFiltered: Bool

    private struct Queue {
        let head: String
        let tail: String
        var offset: Int64
        /// Answer waited for; 0 if none.
        var opaque = 0
        var askedAt: Int64 = 0
        /// When to ask again after an error; 0 if now.
        var retryAt: Int64 = 0
    }

    /// - Parameter targets: the queues and the offsets to begin at.
    init(_ descriptor: Int32, options: LoadOptions, targets: [(topic: String, queue: Int, offset: Int64)]) {
        self.descriptor = descriptor
        isFiltered = options.expression != nil
        let (expression, type) = (options.expression ?? "*", options.expression == nil ? "TAG" : "SQL92")
        queues = targets.map { target in
            // System flag 6: may be held (2), subscription in this header (4).
            let head = """
                {"code":11,"extFields":{"consumerGroup":"\(options.group)","topic":"\(target.topic)",\
                "queueId":"\(target.queue)","maxMsgNums":"\(options.pullMax)","sysFlag":"6","commitOffset":"0",\
                "suspendTimeoutMillis":"15000","subscription":"\(expression)","subVersion":"0","expressionType":"\(type)",\
                "queueOffset":"
                """
            let tail = ",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":479}"
            return Queue(head: head, tail: tail, offset: target.offset)
        }
        var size = 1
        while size < targets.count { size *= 2 }
        indexMask = size - 1
    }

    var hasOutput: Bool { !output.isEmpty }

    /// Asks for every queue that has no pull under way and is not put off.
    /// - Returns: the earliest time a queue is put off to; `nil` if none is.
    func ask(now: Int64) -> Int64? {
        var earliest: Int64?
        for index in queues.indices where queues[index].opaque == 0 {
            if queues[index].retryAt > now {
                earliest = min(earliest ?? .max, queues[index].retryAt)
            } else {
                ask(index, now)
            }
        }
        return earliest
    }

    private func ask(_ index: Int, _ now: Int64) {
        generation += 1
        let opaque = 1_000_000_000 + (generation * (indexMask + 1) + index) & 0x3FFF_FFFF
        queues[index].opaque = opaque
        queues[index].askedAt = now
        let queue = queues[index]
        let middle = "\"},\"flag\":0,\"language\":\"JAVA\",\"opaque\":"
        let header = "\(queue.head)\(queue.offset)\(middle)\(opaque)\(queue.tail)"
        output.append(frameBytes(header: header))
    }

    /// Sends what it can in one write. `false` if the broker is gone.
    func flush() -> Bool { output.flush(to: descriptor) }

    /// Reads answers once. `false` if the broker is gone.
    func fill() -> Bool { input.fill(from: descriptor) }

    /// Takes every whole answer into `result` and asks for more.
    /// - Parameter now: when they arrived.
    func takeAnswers(into result: inout SideResult, now: Instants) {
        while let frame = input.next() {
            let opaque = FrameScan.opaque(frame.header, frame.headerCount, isBinary: frame.isBinary)
            let index = (opaque - 1_000_000_000) & indexMask
            guard opaque >= 1_000_000_000, index < queues.count, queues[index].opaque == opaque else { continue }
            queues[index].opaque = 0
            queues[index].retryAt = 0
            take(frame, of: index, into: &result, now)
            if queues[index].retryAt <= now.now { ask(index, now.now) }
        }
    }

    private func take(_ frame: InputBuffer.Frame, of index: Int, into result: inout SideResult, _ now: Instants) {
        let code = FrameScan.code(frame.header, frame.headerCount, isBinary: frame.isBinary)
        let waited = now.now - queues[index].askedAt
        let next = FrameScan.field("\"nextBeginOffset\":", frame.header, frame.headerCount)
        switch code {
        case 0:
            result.pullCount += 1
            result.latency.record(UInt64(max(0, waited)))
            takeRecords(frame, of: index, into: &result, now)
            if let next { queues[index].offset = Int64(next) }
        case 19, 20, 21:  // nothing there, nothing matched, offset moved
            if let next { queues[index].offset = Int64(next) }
            // One that found nothing it wants has more to look at.
            if waited < 1_000_000, code != 20 { queues[index].retryAt = now.now + 5_000_000 }
        default:
            result.errors[code, default: 0] += 1
            queues[index].retryAt = now.now + 100_000_000
        }
    }

    /// Walks the records of one answer. Source: record layout of `CommitLog.java`, RocketMQ 5.3.
    private func takeRecords(
        _ frame: InputBuffer.Frame, of index: Int, into result: inout SideResult, _ now: Instants
    ) {
        var expected = queues[index].offset
        var at = 0
        let end = frame.bodyCount
        let arrived = now.now + now.realtimeAhead
        while at < end {
            let record = frame.body + at
            guard end - at >= 91 else { return result.corruptCount += 1 }
            let size = FrameScan.int32(record)
            let magic = UInt32(truncatingIfNeeded: FrameScan.int32(record + 4))
            let flags = FrameScan.int32(record + 36)
            let bodyAt = 84 + (flags & 0x10 != 0 ? 12 : 0) + (flags & 0x20 != 0 ? 12 : 0)
            guard magic == 0xDAA3_20A7 || magic == 0xDAA3_20AB, size >= bodyAt + 7, size <= end - at else {
                return result.corruptCount += 1
            }
            let bodyCount = FrameScan.int32(record + bodyAt)
            guard bodyCount >= 0, bodyCount <= size - bodyAt - 7 else { return result.corruptCount += 1 }
            let offset = FrameScan.int64(record + 20)
            if offset != expected, !isFiltered { result.gapCount += 1 }
            expected = offset + 1
            result.messageCount += 1
            result.bodyByteCount += bodyCount
            let body = record + bodyAt + 4
            if bodyCount >= 16, UInt64(bitPattern: FrameScan.int64(body)) == SendTemplate.stampMark {
                result.endToEnd.record(UInt64(max(0, arrived - FrameScan.int64(body + 8))))
            }
            at += size
        }
    }
}
