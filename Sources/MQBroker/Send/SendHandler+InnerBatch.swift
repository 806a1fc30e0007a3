import MQBase
import MQBytes
import MQMessage
import MQProtocol
import MQRemoting
import MQStore
import MQTransport

/// Inner batches: several messages that are stored as one record, which consumers unpack. A topic of type BatchCQ takes a
/// batch so whose producer gave it a unique key, or what a producer has packed itself.
///
/// Source: `SendMessageProcessor.java` `sendBatchMessage`, `HookUtils.java` `checkInnerBatch`, RocketMQ 5.3.
extension SendHandler {
    /// A message or batch is one for queues of batches, and the topic has others.
    static let noBatchQueues = Refusal(
        .messageIllegal, "the message says it is an inner batch, but the topic's queues hold no batches")
    /// INNER_NUM without the flag.
    static let falseInnerBatch = Refusal(
        .messageIllegal, "the message has the property INNER_NUM and is no inner batch")

    /// Recovery would take such properties for a sector that never reached the disk.
    static let zeroSector = Refusal(
        .messageIllegal, "the message is illegal, its properties hold 512 zero bytes in a row")

    /// The flags of an inner batch.
    static let packed: SysFlag = [.innerBatch, .needUnwrap]

    /// Whether a batch that was sent is to become one record; its properties are in `properties` then, with INNER_NUM.
    func takesWhole(
        _ request: SendMessageRequest, _ bytes: Span<UInt8>, itemCount: Int
    ) throws(Refusal) -> Bool {
        properties.removeAll()
        request.properties.append(from: bytes, to: &properties)
        let facts = properties.withBytes(0..<properties.count) { SendProperties($0) }
        guard facts.uniqueKey != nil else { return false }
        guard !facts.hasInnerNumber else { throw Self.falseInnerBatch }
        let isOpen = properties.withBytes(0..<properties.count) {
            $0.count > 0 && $0[$0.count - 1] != Properties.valueEnd
        }
        if isOpen { properties.append(Properties.valueEnd) }
        properties.append(PropertyName.innerNumber)
        properties.append(Properties.nameEnd)
        properties.append(decimal: Int64(itemCount))
        properties.append(Properties.valueEnd)
        return true
    }

    /// Stages an inner batch as one record; its properties are in `properties`.
    func stageInnerBatch(
        _ request: SendMessageRequest, _ route: TopicRoute, _ queueID: Int, _ body: Span<UInt8>,
        _ channel: RemotingChannel, _ batch: SendBatch
    ) throws(Refusal) -> Staged {
        let facts = properties.withBytes(0..<properties.count) { SendProperties($0) }
        guard !isHalf(request, facts) else { throw Refusal(.messageIllegal, "an inner batch cannot be a half message") }
        guard !properties.withBytes(0..<properties.count, { Properties.holdsZeroSector($0) }) else {
            throw Self.zeroSector
        }
        guard facts.delayLevel <= 0, !facts.timer.isTimed else {
            throw Refusal(.messageIllegal, "an inner batch cannot be delayed")
        }
        // Java counts an inner batch without INNER_NUM as one message.
        let count = facts.hasInnerNumber ? facts.innerCount ?? 0 : 1
        guard (1...Int64(Int16.max)).contains(count) else {
            throw Refusal(.messageIllegal, "an inner batch holds 1 to \(Int16.max) messages, not \(count)")
        }
        guard try route.writableQueue(queueID).holdsBatches else { throw Self.noBatchQueues }
        let keyStart = batch.keys.count
        if let key = facts.uniqueKey {
            properties.withBytes(key) { batch.keys.append($0) }
        } else {
            ids.append(at: loop.wall, to: &batch.keys)
        }
        let message = Message(
            facts: facts, key: keyStart..<batch.keys.count, queueID: queueID, flag: request.flag, timerOut: nil)
        try put(
            message, request, body, channel, in: route, queueID, delayedFrom: nil, innerCount: Int16(count), batch)
        return Staged(key: message.key, waits: facts.waitsForFlush)
    }
}
