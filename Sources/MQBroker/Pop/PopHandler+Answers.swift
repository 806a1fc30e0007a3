import MQBase
import MQBytes
import MQProtocol
import MQRemoting
import MQStore
import MQTransport

/// What a pop is answered, and when.
extension PopHandler {
    func finish(_ session: PopSession) {
        let request = session.request
        if request.kind == .notify {
            if session.rest > 0 { return answerNotification(request, hasMessages: true) }
            return park(session)
        }
        if session.count > 0 {
            stats.pullsFound.add(1)
            guard request.kind == .pop else { return deliver(session) }
            if session.rest > 0 { retried(group: request.group, topic: request.topic) }
            commits.whenKept { [self] refusal in
                if let refusal { refuse(request, refusal) } else { deliver(session) }
            }
            return
        }
        if let refusal = session.refusal { return refuse(request, refusal) }
        stats.pullsMissed.add(1)
        if request.kind == .peek { return answerNothing(request, .pullNotFound, rest: session.rest) }
        if session.hasPassed, session.rest > 0 {
            // It has looked at as much as one look may, and there is more: others come first.
            let bound = LoopBound((self, request), on: loop)
            return loop.execute { bound.execute { handler, request in handler.attempt(request) } }
        }
        park(session)
    }

    private func deliver(_ session: PopSession) {
        let connection = session.request.channel.connection
        guard connection.isOpen else { return }
        connection.send { writeHeader(session, to: &$0) }
        for piece in session.pieces {
            switch piece {
            case .bytes(let bytes): connection.send { $0.append(bytes) }
            case .ranges(let ranges):
                for file in ranges.files { connection.send(file.mapping, ranges.runs[file.runs]) }
            }
        }
    }

    private func writeHeader(_ session: PopSession, to buffer: inout ByteBuffer) {
        let request = session.request
        let isTaken = request.kind == .pop
        var byteCount = 0
        for piece in session.pieces {
            switch piece {
            case .bytes(let bytes): byteCount += bytes.count
            case .ranges(let ranges): for run in ranges.runs { byteCount += run.count }
            }
        }
        var writer = ResponseWriter(&buffer, type: request.channel.serializeType, code: 0)
        writer.field("popTime", isTaken ? session.popTime : 0, to: &buffer)
        writer.field("invisibleTime", isTaken ? request.invisibleTime : 0, to: &buffer)
        writer.field("reviveQid", isTaken ? Int64(session.reviveQueue) : 0, to: &buffer)
        writer.field("restNum", session.rest, to: &buffer)
        if isTaken { session.info.write(isOrdered: request.isOrdered, to: &writer, &buffer) }
        writer.finish(opaque: request.opaque, remark: "FOUND", bodyByteCount: byteCount, in: &buffer)
    }

    /// Answers that there is nothing.
    func answerNothing(_ request: PopRequest, _ code: ResponseCode, rest: Int64) {
        guard request.channel.connection.isOpen else { return }
        guard request.kind != .notify else { return answerNotification(request, hasMessages: false) }
        let isPop = request.kind == .pop
        var answer = RemotingCommand(
            code, remark: "NO_MESSAGE_IN_QUEUE",
            [
                "popTime": String(isPop ? loop.wall.rawValue : 0),
                "invisibleTime": String(isPop ? request.invisibleTime : 0),
                "reviveQid": isPop && request.isOrdered ? "999" : "0", "restNum": String(rest),
            ])
        if isPop {
            answer["startOffsetInfo"] = ""
            answer["msgOffsetInfo"] = ""
        }
        if isPop, request.isOrdered { answer["orderCountInfo"] = "" }
        send(answer, to: request)
    }

    func answerNotification(_ request: PopRequest, hasMessages: Bool, isFull: Bool = false) {
        send(
            RemotingCommand(.success, ["hasMsg": String(hasMessages), "pollingFull": String(isFull)]), to: request)
    }

    func refuse(_ request: PopRequest, _ refusal: Refusal) { send(refusal.answer, to: request) }

    private func send(_ answer: RemotingCommand, to request: PopRequest) {
        request.channel.reply(to: request.opaque, isOneWay: false).send(answer)
    }
}
