import MQBytes
import MQMessage
import MQSystem

extension Producer {
    /// Sends messages of one topic together: in as few requests as ``Options-swift.struct/bodyByteCountMax`` allows, one after the
    /// other, each to one queue. Messages of one request stand behind each other in their queue.
    ///
    /// If a request fails, those before it are stored and those behind it are not sent: the error says how many are stored.
    /// - Returns: where each message went, in order.
    /// - Throws: `invalid` before anything is sent: messages of different topics or promises, delayed ones, ones
    ///   to be consumed again, or one that is too large by itself; `batchFailed` with what a request's failure was.
    @discardableResult
    public func send(
        _ messages: [Message], timeout: Duration? = nil
    ) async throws(ClientError) -> [SendResult] {
        try requireRunning()
        let batches = try MessageBatches(messages, byteCountMax: options.bodyByteCountMax) {
            nextID(at: SystemClock.wall())
        }.batches
        var results: [SendResult] = []
        results.reserveCapacity(messages.count)
        for batch in batches {
            do throws(ClientError) {
                results += try await send(batch, of: messages[0], timeout)
            } catch {
                if results.isEmpty { throw error }
                throw .batchFailed(stored: results.count, of: messages.count, because: error.description)
            }
        }
        return results
    }

    private func send(
        _ batch: MessageBatches.Batch, of first: Message, _ timeout: Duration?
    ) async throws(ClientError) -> [SendResult] {
        let outgoing = Outgoing(
            batch: batch.body, topic: namespace.wrap(first.topic), waitsForStore: first.waitsForStore)
        let now = SystemClock.now()
        let result = try await deliver(outgoing, since: now, before: deadline(timeout, since: now))
        let places = result.offsetMessageID.split(separator: ",")
        return batch.ids.indices.map { index in
            SendResult(
                status: result.status, id: batch.ids[index],
                offsetID: IDText(index < places.count ? String(places[index]) : ""), queue: result.queue,
                queueOffset: result.queueOffset + Int64(index), recallHandle: nil)
        }
    }
}

/// Messages in the requests they travel in.
struct MessageBatches {
    struct Batch: Equatable {
        var body: [UInt8]
        var ids: [IDText]
    }

    private(set) var batches: [Batch] = []

    /// - Parameter byteCountMax: of a request's body.
    init(_ messages: [Message], byteCountMax: Int, makeID: () -> IDText) throws(ClientError) {
        guard let first = messages.first else { throw .invalid("a batch of no messages") }
        var body = ByteBuffer()
        var ids: [IDText] = []
        for message in messages {
            if let refusal = Self.refusal(of: message, beside: first, byteCountMax) { throw .invalid(refusal) }
            var properties = message.properties
            let id = properties[PropertyName.uniqueKey].map { IDText($0) } ?? makeID()
            properties[PropertyName.uniqueKey] = id.text
            let stored = properties.stored
            guard stored.count <= Properties.byteCountMax else {
                throw .invalid("the properties of a message have \(stored.count) bytes; the limit is 32767")
            }
            let size = 22 + message.body.count + stored.count
            guard size <= byteCountMax else {
                throw .invalid("a message of the batch takes \(size) bytes; the producer's limit is \(byteCountMax)")
            }
            if body.count + size > byteCountMax || ids.count == MessageBatch.itemsMax {
                batches.append(Batch(body: body.toArray(), ids: ids))
                body.removeAll()
                ids = []
            }
            MessageBatch.append(flag: message.flag, body: message.body.span, properties: stored.span, to: &body)
            ids.append(id)
        }
        batches.append(Batch(body: body.toArray(), ids: ids))
    }

    /// Why a message cannot be in a batch with `first`. Source: `MessageBatch.generateFromList`, 5.3.
    private static func refusal(of message: Message, beside first: Message, _ byteCountMax: Int) -> String? {
        if let refusal = message.refusal(bodyByteCountMax: byteCountMax, isTopicKnown: false) { return refusal }
        if message.topic != first.topic { return "The topic of the messages in one batch should be the same" }
        if message.waitsForStore != first.waitsForStore {
            return "The waitStoreMsgOK of the messages in one batch should the same"
        }
        if message.delayLevel != nil || message.properties.isTimed {
            return "TimeDelayLevel is not supported for batching"
        }
        if message.topic.hasPrefix("%RETRY%") { return "Retry Group is not supported for batching" }
        return nil
    }
}
