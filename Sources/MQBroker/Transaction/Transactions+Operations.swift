import MQBase
import MQBytes
import MQMessage
import MQObserve
import MQStore
import MQSystem

/// The queue of operations: what is over, in messages with the tag `d` whose bodies are offsets of half messages with
/// commas between them.
extension Transactions {
    private static let tag: StaticString = "d"
    /// Half messages that one operation message may end; the longest that Java writes has some two thousand.
    private static let offsetsMax = 1 << 20

    // MARK: - Writing (`transactions` thread)

    /// Writes what is over and not written yet, in as many messages as it takes.
    /// - Returns: `false` if the store does not take them; they stay to be written.
    func writeOperations(_ batch: AppendBatch) -> Bool {
        let byteCountMax = config.current.transactions.operationByteCountMax
        while true {
            let halves = table.withLock { $0.takeOperations(byteCountMax: byteCountMax) }
            if halves.isEmpty { return true }
            do throws(AppendError) {
                try write(halves, batch)
            } catch {
                table.withLock { $0.putBack(halves) }
                log.error("cannot write down which transactions are over", ["reason": error.description])
                return false
            }
        }
    }

    private func write(_ halves: [Int64], _ batch: AppendBatch) throws(AppendError) {
        precondition(batch.entries.isEmpty, "\(batch.entries.count) records of somebody else")
        defer { batch.removeAll() }
        let now = SystemClock.wall()
        var body = ByteBuffer(capacity: halves.count * 12)
        for half in halves {
            body.append(decimal: half)
            body.append(UInt8(ascii: ","))
        }
        let head = RecordHead(
            queueID: 0, flag: 0, sysFlag: [], bornTimestamp: now, bornHost: storeHost, storeHost: storeHost)
        let topic = Array(operationQueue.topic.utf8)
        do throws(WireError) {
            try batch.stage(head, topic: topic.span, body: body.span, in: operationQueue) { buffer in
                buffer.append("TAGS\u{1}d\u{2}WAIT\u{1}true\u{2}")
            }
        } catch {
            preconditionFailure("an operation message that cannot be encoded: \(error)")
        }
        try store.append(batch, at: now)
        table.withLock { $0.wrote(operationAt: batch.entries[0].queueOffset, about: halves) }
        stats.messagesIn.add(1)
        stats.bytesIn.add(batch.byteCount)
    }

    // MARK: - Reading (start)

    /// Reads the operation messages from `start` on.
    static func readOperations(
        of queue: ConsumeQueue, from start: Int64, halfEnd: Int64, _ store: MessageStore, _ log: Log,
        into state: inout TransactionTable
    ) throws(SystemError) {
        var units = ByteBuffer()
        var offset = start
        while offset < queue.maxOffset {
            units.removeAll()
            let count = try queue.readUnits(from: offset, count: 1024, into: &units)
            guard count > 0 else { break }
            for index in 0..<count {
                let unit = QueueUnit(units.span, at: index * QueueUnit.byteCount)
                let halves = store.withRecord(at: unit.physicalOffset) { record, bytes in
                    isOperation(bytes.extracting(record.properties))
                        ? offsets(in: bytes.extracting(record.body)) : []
                }
                if halves == nil { log.warn("operation message lost its record", ["offset": String(offset)]) }
                state.read(operationAt: offset, about: halves ?? [], halfEnd: halfEnd)
                offset += 1
            }
        }
    }

    private static func isOperation(_ properties: Span<UInt8>) -> Bool {
        guard let tags = Properties.value(of: PropertyName.tags, in: properties) else { return false }
        return properties.extracting(tags).equals(tag)
    }

    /// The offsets in a body; what is no number is passed over, as Java does.
    static func offsets(in body: Span<UInt8>) -> [Int64] {
        var offsets: [Int64] = []
        var start = 0
        for index in 0...body.count where index == body.count || body[index] == UInt8(ascii: ",") {
            if let offset = Decimal.parse(body.extracting(start..<index)), offset >= 0, offsets.count < offsetsMax {
                offsets.append(offset)
            }
            start = index + 1
        }
        return offsets
    }
}
