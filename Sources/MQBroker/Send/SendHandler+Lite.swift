import MQBytes
import MQMessage
import MQProtocol
import MQRemoting
import MQStore

/// Messages that stand in lite queues, too: `INNER_MULTI_DISPATCH` names them. The store finds their places.
extension SendHandler {
    /// Takes out of `properties` what only the store says, and refuses names that no lite queue may have, or too many.
    func settleLiteQueues(_ facts: inout SendProperties) throws(Refusal) {
        if facts.hasLitePlaces {
            drop(PropertyName.innerMultiQueueOffset)
            facts = properties.withBytes(0..<properties.count) { SendProperties($0) }
        }
        guard let liteQueues, let names = facts.liteQueues else { return }
        try properties.withBytes(0..<properties.count) { text throws(Refusal) in
            try Self.check(names, text, liteQueues)
        }
    }

    private static func check(_ names: Range<Int>, _ text: Span<UInt8>, _ queues: LiteQueues) throws(Refusal) {
        var start = names.lowerBound
        var fresh: Set<String> = []
        while start <= names.upperBound {
            let end = min(text.next(UInt8(ascii: ","), from: start), names.upperBound)
            let name = text.extracting(start..<end)
            guard LiteQueue.mayBeUsed(name) else {
                throw Refusal(
                    .messageIllegal,
                    "INNER_MULTI_DISPATCH names \(name.toString().prefix(255)), which cannot be a lite message queue")
            }
            if !queues.exists(name) { fresh.insert(name.toString()) }
            start = end + 1
        }
        guard fresh.isEmpty || queues.hasRoom(for: fresh.count) else { throw .tooManyLiteQueues }
    }
}
