import MQBase
import MQJSON
import MQProtocol
import MQRemoting
import MQStore
import MQTransport

/// ACK_MESSAGE (200051), BATCH_ACK_MESSAGE (200151) and CHANGE_MESSAGE_INVISIBLETIME (200053). A handle that does not name
/// a message on its way changes nothing and is answered with success, as Java does: the message came again under another,
/// or is done. Loop only.
///
/// Source of rules and texts: `AckMessageProcessor.java`, `ChangeInvisibleTimeProcessor.java`, RocketMQ 5.3.
extension PopHandler {
    func ack(
        _ header: borrowing RemotingHeader, in bytes: Span<UInt8>, on channel: RemotingChannel
    ) throws(Refusal) {
        try commits.admit()
        let receipt = try gate.receipt(header, in: bytes, on: channel, isChange: false)
        if receipt.handle.isOrdered {
            try ackOrdered(receipt.key, receipt.handle.popTime, receipt.offset, channel)
        } else {
            let span = PopSpan.Key(start: receipt.handle.start, popTime: receipt.handle.popTime)
            _ = service.withTable { $0.ack(receipt.key, span, offset: receipt.offset) }
        }
        answer(RemotingCommand(.success), to: header.opaque, header.isOneWay, channel)
    }

    private func ackOrdered(
        _ key: PopQueueKey, _ popTime: Int64, _ offset: Int64, _ channel: RemotingChannel
    ) throws(Refusal) {
        let old = service.next(key) ?? -1
        if offset < old { return }
        switch service.withTable({ $0.ackOrdered(key, popTime: popTime, offset: offset) }) {
        case nil, .otherPop: return
        case .notFound:
            throw Refusal(
                .messageIllegal,
                "offset is illegal, key:\(key.topic)@\(key.group)@\(key.queueID), old:\(old), commit:\(offset), "
                    + "next:-1, \(channel.connection.peer)")
        case .next: if !service.isBlocked(key, attemptID: nil, now: loop.wall.rawValue) { service.events?.freed(key) }
        }
    }

    private static let noAcks = Refusal(.noMessage, "the batch ack names no message")

    func ackMany(_ request: RemotingCommand, on channel: RemotingChannel) throws(Refusal) {
        try commits.admit()
        let body: BatchAckBody
        do throws(BodyError) {
            body = try BatchAckBody(parsing: request.body, limits: JSONLimits(byteCountMax: 1 << 20))
        } catch {
            throw request.body.isEmpty ? Self.noAcks : Refusal(error)
        }
        guard !body.acks.isEmpty else { throw Self.noAcks }
        for ack in body.acks {
            guard let kind = PopTopicKind(digit: ack.retry) else {
                throw Refusal(.systemError, "getRetry fail, format is wrong")
            }
            guard let route = gate.route(kind.name(topic: ack.topic, group: ack.group)),
                ack.queueID >= 0, Int(ack.queueID) < route.readQueueCount
            else { continue }
            let queue = try route.readableQueue(Int(ack.queueID), for: channel)
            let key = PopQueueKey(group: ack.group, topic: route.name, queueID: ack.queueID)
            let isOrdered = ack.reviveQueue == PopHandle.orderedReviveQueue
            guard isOrdered else {
                let span = PopSpan.Key(start: ack.start, popTime: ack.popTime)
                service.withTable { $0.ack(key, span) { ack.names($0) } }
                continue
            }
            let range = gate.firstOffset(queue)...queue.maxOffset
            for offset in service.orderedOffsets(key) where range.contains(offset) && ack.names(offset) {
                try ackOrdered(key, ack.popTime, offset, channel)
            }
        }
        answer(RemotingCommand(.success), to: request.opaque, request.isOneWay, channel)
    }

    func changeInvisibleTime(
        _ header: borrowing RemotingHeader, in bytes: Span<UInt8>, on channel: RemotingChannel
    ) throws(Refusal) {
        try commits.admit()
        let receipt = try gate.receipt(header, in: bytes, on: channel, isChange: true)
        let now = loop.wall.rawValue
        var (popTime, invisibleTime) = (now, receipt.invisibleTime)
        if receipt.handle.isOrdered {
            let old = service.next(receipt.key) ?? 0
            if receipt.offset < old {
                (popTime, invisibleTime) = (0, 0)
            } else {
                popTime = receipt.handle.popTime
                // A pop time from outside may be any number.
                let (time, overflow) = (now + receipt.invisibleTime).subtractingReportingOverflow(popTime)
                invisibleTime = overflow ? .max : time
                _ = service.withTable {
                    $0.changeOrdered(
                        receipt.key, popTime: popTime, offset: receipt.offset, visibleAt: now + receipt.invisibleTime)
                }
            }
        } else {
            let span = PopSpan.Key(start: receipt.handle.start, popTime: receipt.handle.popTime)
            let (hasRoom, changed) = service.withTable { table -> (Bool, Int64?) in
                guard table.hasRoom(toChange: receipt.key, span) else { return (false, nil) }
                let changed = table.change(
                    receipt.key, span, offset: receipt.offset, now: now, invisibleTime: receipt.invisibleTime)
                return (true, changed)
            }
            guard hasRoom else {
                throw Refusal(.systemBusy, "too many popped messages have an invisible time of their own")
            }
            popTime = changed ?? now
        }
        let reply = RemotingCommand(
            .success,
            [
                "popTime": String(popTime), "invisibleTime": String(invisibleTime),
                "reviveQid": String(receipt.handle.reviveQueue),
            ])
        answer(reply, to: header.opaque, header.isOneWay, channel)
    }

    private func answer(_ answer: RemotingCommand, to opaque: Int32, _ isOneWay: Bool, _ channel: RemotingChannel) {
        commits.whenKept { refusal in
            guard !isOneWay, channel.connection.isOpen else { return }
            var answer = refusal?.answer ?? answer
            answer.opaque = opaque
            channel.send(answer)
        }
    }
}
