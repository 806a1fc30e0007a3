import MQBytes
import MQJSON
import MQMessage
import MQObserve
import MQProtocol
import MQStore
import MQSystem

/// Check-points and acks that a Java broker left in `rmq_sys_REVIVE_LOG_<cluster>`, or that a timer still brings there:
/// they become spans of ours. We write none. On the `pop` thread.
///
/// Source: `PopReviveService.java`, `PopCheckPoint.java`, `AckMsg.java`, `BatchAckMsg.java`, RocketMQ 5.3.
final class ReviveTopic: Sendable {
    /// The group whose progress says how far Java's broker came.
    private static let group = "CID_RMQ_SYS_REVIVE_GROUP"
    /// Acks come when their check-point is due: that much later what is open comes again, ms.
    private static let graceMilliseconds: Int64 = 5000
    private static let recordsMax = 2000

    private let service: PopService
    private let topic: String
    private let queueCount: Int
    private let log: Log
    private let wasOpen = Lock(false)

    init(service: PopService, clusterName: String, queueCount: Int, log: Log) {
        self.service = service
        topic = SystemTopics.prefix + "REVIVE_LOG_" + clusterName
        self.queueCount = queueCount
        self.log = log
    }

    /// Whether there was something to take in, so that more may come.
    var isOpen: Bool {
        wasOpen.withLock { $0 } || (0..<queueCount).contains { service.store.existingQueue(topic, $0) != nil }
    }

    /// Takes in what is there.
    func takeIn(now: Int64) {
        for queueID in 0..<queueCount {
            guard let queue = service.store.existingQueue(topic, queueID) else { continue }
            takeIn(queue, Int32(queueID), now)
        }
    }

    private func takeIn(_ queue: ConsumeQueue, _ queueID: Int32, _ now: Int64) {
        // Java notes the last offset it has handled.
        let noted = service.offsets.query(group: Self.group, topic: topic, queueID: queueID) ?? -1
        let start = max(
            OrderedPop.sum(max(-1, noted), 1), service.withTable { $0.adopted[queueID] } ?? 0, queue.minOffset)
        var offset = start
        while offset < queue.maxOffset, offset - start < Int64(Self.recordsMax) {
            do throws(SystemError) {
                guard let unit = try queue.unit(at: offset) else { break }
                let isDone = service.store.withRecord(at: unit.physicalOffset) { record, bytes in
                    take(
                        bytes.extracting(record.properties), bytes.extracting(record.body), now)
                }
                guard isDone ?? true else { break }
            } catch {
                log.error("cannot read the revive topic", ["queue": String(queueID), "reason": error.description])
                break
            }
            offset += 1
        }
        guard offset > start else { return }
        wasOpen.withLock { $0 = true }
        log.info(
            "check-points of another broker taken in", ["queue": String(queueID), "records": String(offset - start)])
        service.withTable { $0.setAdopted(queueID, offset) }
        _ = service.commit()
        service.offsets.commit(group: Self.group, topic: topic, queueID: queueID, offset: offset - 1)
    }

    /// Takes one record. `false`: there is no room now.
    private func take(_ properties: Span<UInt8>, _ body: Span<UInt8>, _ now: Int64) -> Bool {
        guard let range = Properties.value(of: "TAGS", in: properties) else { return true }
        let tag = properties.extracting(range)
        guard let json = try? JSON(parsing: body) else {
            log.warn("a record of the revive topic is unreadable", [:])
            return true
        }
        do throws(BodyError) {
            if tag.equals("ck") { return try takeCheckPoint(json, now) }
            if tag.equals("ack") { try takeAcks(json, [try PopBody(json, "AckMsg").number("ao")]) }
            if tag.equals("bAck") {
                try takeAcks(json, try PopBody(json, "BatchAckMsg").list("aol").compactMap { $0.int64 })
            }
        } catch {
            log.warn("a record of the revive topic is unreadable", ["reason": error.description])
        }
        return true
    }

    private func key(_ fields: PopBody) throws(BodyError) -> (PopQueueKey, PopSpan.Key) {
        let queueID = Int32(clamping: try fields.number("q"))
        let key = PopQueueKey(group: try fields.text("c"), topic: try fields.text("t"), queueID: queueID)
        return (key, PopSpan.Key(start: try fields.number("so"), popTime: try fields.number("pt")))
    }

    private func takeCheckPoint(_ json: JSON, _ now: Int64) throws(BodyError) -> Bool {
        let fields = try PopBody(json, "PopCheckPoint")
        let (key, spanKey) = try key(fields)
        guard NameRules.refusal(ofTopic: key.topic) == nil, NameRules.refusal(ofGroup: key.group) == nil,
            key.queueID >= 0, spanKey.start >= 0, spanKey.start < 1 << 61
        else { return true }
        let distances = fields.list("d").compactMap { $0.int64 }
        let count = Int(clamping: try fields.number("n"))
        let places = distances.isEmpty ? (0..<Int64(max(0, min(count, PopSpan.countMax)))).map { $0 } : distances
        let due = OrderedPop.sum(spanKey.popTime, max(0, try fields.number("it")))
        let deadline = OrderedPop.sum(max(due, now), Self.graceMilliseconds)
        let offsets = places.map { spanKey.start &+ $0 }
        guard var span = PopSpan(spanKey, offsets: offsets, deadline: deadline) else { return true }
        let acked = UInt64(bitPattern: try fields.number("bm", default: 0))
        span.open &= ~acked
        guard span.open != 0 else { return true }
        // Java's progress has passed what is on its way. A queue without progress would count as deleted.
        var committed = service.offsets.query(group: key.group, topic: key.topic, queueID: key.queueID)
        if committed == nil {
            let behind = (offsets.last ?? spanKey.start) + 1
            let kept = service.offsets.commit(
                group: key.group, topic: key.topic, queueID: key.queueID, offset: behind)
            guard kept != .full else { return false }
            committed = behind
        }
        let progress = committed ?? 0
        return service.withTable { $0.adopt(key, span, committed: progress, now: now) }
    }

    private func takeAcks(_ json: JSON, _ offsets: [Int64]) throws(BodyError) {
        let (key, span) = try key(try PopBody(json, "AckMsg"))
        let acked = Set(offsets)
        service.withTable { $0.ack(key, span) { acked.contains($0) } }
    }
}
