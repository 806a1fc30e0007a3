import MQBytes
import MQMessage
import MQProtocol

/// Taking back what waits for its time.
///
/// Source: `DefaultMQProducerImpl.java` `recallMessage`, RocketMQ 5.3.
extension Producer {
    /// Takes back a message that waits for its time of delivery; whoever is first wins: one that is delivered meanwhile stays
    /// so, and the broker may still say yes.
    /// - Parameters:
    ///   - handle: the ``SendResult/recallHandle`` of its send. It may be kept, and used by another producer.
    ///   - topic: where it was sent to.
    /// - Returns: the message's id.
    /// - Throws: `invalid` if `handle` is none; `brokerNotFound`, `noAnswer`; `refused` if it is due already, of another topic, or
    ///   the broker does not let messages be taken back (`recallMessageEnable`).
    @discardableResult
    public func recall(_ handle: String, topic: String) async throws(ClientError) -> String {
        try requireRunning()
        if let refusal = NameRules.refusal(ofTopic: topic) { throw .invalid(refusal) }
        guard let broker = Self.brokerName(in: handle) else { throw .invalid("recall handle is invalid") }
        do throws(ClientError) {
            _ = try await plan(of: namespace.wrap(topic), before: nil)  // whose route leads to the broker
            guard let address = await link.brokerAddress(broker) else { throw .brokerNotFound(broker) }
            let answer = try await link.ask(
                RemotingCommand(
                    .recallMessage,
                    [
                        "producerGroup": group, "topic": namespace.wrap(topic), "recallHandle": handle, "bname": broker,
                    ]), at: address, timeout: options.sendTimeout)
            let id = answer["msgId"] ?? ""
            noteRecall(id, topic: topic)
            return id
        } catch {
            noteRecall(nil, topic: topic)
            throw error
        }
    }

    /// The third word of `v1 topic broker time id` in base64url.
    private static func brokerName(in handle: String) -> String? {
        guard let bytes = Base64.url.decode(Array(handle.utf8).span) else { return nil }
        let words = String(decoding: bytes, as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
        return words.count >= 5 && words[0] == "v1" ? String(words[2]) : nil
    }
}
