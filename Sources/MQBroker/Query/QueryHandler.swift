import MQBytes
import MQMessage
import MQProtocol
import MQRemoting
import MQStore

/// QUERY_MESSAGE (12) by key or unique key, VIEW_MESSAGE_BY_ID (33). May wait for the disk: called on the cold-read
/// threads. Source: `QueryMessageProcessor.java`, RocketMQ 5.3.
struct QueryHandler: Sendable {
    let store: MessageStore
    let config: LiveConfig
    /// Bytes of one answer.
    private static let answerByteCountMax = 8 << 20

    /// Records that carry `topic#key` in a time range: the newest, in the log's order.
    func byKey(_ request: RemotingCommand) -> RemotingCommand {
        guard let topic = request["topic"], let key = request["key"], !key.isEmpty else {
            return RemotingCommand(.systemError, remark: "topic and key are needed")
        }
        let begin = request.int64("beginTimestamp") ?? 0
        let end = min(request.int64("endTimestamp") ?? .max, .max - 999)  // the index rounds up to seconds
        guard begin <= end else { return Self.notFound(lastTimestamp: 0, lastOffset: 0) }
        let limits = config.current.pull
        let isUnique = request["_UNIQUE_KEY_QUERY"]?.lowercased() == "true"
        let asked = isUnique ? nil : request.int32("maxNum").map(Int.init)
        let wanted = min(max(asked ?? limits.queryCount, 1), limits.queryCountMax)
        let found = store.records(
            topic: topic, key: key, time: begin...end, limit: wanted, byteCountMax: Self.answerByteCountMax)
        var body = ByteBuffer()
        for offset in found.offsets { _ = store.withRecord(at: offset) { _, bytes in body.append(bytes) } }
        var answer = Self.notFound(lastTimestamp: found.lastTimestamp, lastOffset: found.lastOffset)
        guard body.count > 0 else { return answer }
        answer.code = ResponseCode.success.rawValue
        answer.remark = nil
        answer.body = body.toArray()
        return answer
    }

    /// Both kinds of answer say how far the index is.
    private static func notFound(lastTimestamp: Int64, lastOffset: Int64) -> RemotingCommand {
        RemotingCommand(
            .queryNotFound, remark: "can not find message, maybe time range not correct",
            [
                "indexLastUpdateTimestamp": String(lastTimestamp), "indexLastUpdatePhyoffset": String(lastOffset),
            ])
    }

    /// The record at a physical offset.
    func byOffset(_ request: RemotingCommand) -> RemotingCommand {
        guard let offset = request.int64("offset") else {
            return RemotingCommand(.systemError, remark: "offset is missing or not a number")
        }
        let body = store.withRecord(at: offset) { _, bytes in bytes.toArray() }
        guard let body else {
            return RemotingCommand(.systemError, remark: "can not find message by the offset, \(offset)")
        }
        return RemotingCommand(.success, body: body)
    }
}
