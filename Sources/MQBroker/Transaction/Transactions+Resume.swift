import MQBase
import MQBytes
import MQMessage
import MQProtocol
import MQRemoting
import MQStore
import MQSystem

/// RESUME_CHECK_HALF_MESSAGE (323): an administrator lets producers be asked again about a half message that was given
/// up. Source: `AdminBrokerProcessor.java` `resumeCheckHalfMessage`, RocketMQ 5.3.
extension Transactions {
    private enum Outcome {
        /// What the copy stands for; `nil`: only for itself.
        case staged(HalfMessage?)
        case tooLong
        case isOther
    }

    /// Stores the message at `messageID` as a half message once more, as if its producer was never asked. May wait for
    /// the disk; any thread.
    func resume(_ messageID: String) throws(Refusal) {
        guard let place = MessageID.decodeOffsetID(messageID)?.offset else {
            throw refusal("\(messageID.prefix(64)) is not the id of a stored message")
        }
        let batch = store.makeBatch()
        let outcome = store.withRecord(at: place.rawValue) { record, bytes -> Outcome in
            let topic = bytes.extracting(record.topic)
            var half: HalfMessage?
            if topic.equals(Self.halfTopic) {
                let text = bytes.extracting(record.properties)
                let own = HalfFacts(text, bornTimestamp: record.bornTimestamp.rawValue).half(at: record.queueOffset)
                if table.withLock({ $0.isOpen(own.offset) }) { half = own }
            } else if !topic.equals(Self.givenUpTopic) {
                return .isOther
            }
            return stageCopy(record, bytes, half: half, times: 0, batch) ? .staged(half) : .tooLong
        }
        switch outcome {
        case nil: throw refusal("no message is stored there")
        case .isOther: throw refusal("the message is no half message, nor one that was given up")
        case .tooLong: throw refusal("with its new properties the message is too long")
        case .staged(let half):
            do throws(AppendError) {
                try store.append(batch, at: SystemClock.wall())
            } catch {
                throw Refusal(
                    .systemError, "Put message back to \(halfQueue.topic) failed. \(error.description)")
            }
            let offset = batch.entries[0].queueOffset
            if let half { table.withLock { _ = $0.copied(half, to: offset) } }
            wake()
        }
    }

    private func refusal(_ reason: String) -> Refusal {
        Refusal(.systemError, "Exception was thrown when putting message back to \(halfQueue.topic). \(reason)")
    }

    /// As ``SystemTopics/transactionHalf``, to compare bytes with.
    static let halfTopic: StaticString = "RMQ_SYS_TRANS_HALF_TOPIC"
    private static let givenUpTopic: StaticString = "TRANS_CHECK_MAX_TIME_TOPIC"
}
