import MQBase
import MQMessage
import MQSystem

extension TraceSender {
    /// Runs `handler` between the two records that tell of it.
    func traced(
        _ message: MessageExt, _ context: ConsumeContext, group: String, _ handler: MessageHandler
    ) async throws -> ConsumeOutcome {
        let region = message.properties[PropertyName.messageRegion] ?? "DefaultRegion"
        guard message.properties[PropertyName.traceOn] != "false" else { return try await handler(message, context) }
        let keys = message.properties[PropertyName.keys] ?? ""
        let requestID = makeRequestID()
        let begun = SystemClock.now()
        add(
            TraceRecord(
                content: .before(
                    TraceRecord.Consume(
                        timestamp: SystemClock.wall().rawValue, region: region, group: group, requestID: requestID,
                        messageID: message.messageID, retryTimes: message.reconsumeTimes, keys: keys)), region: region))
        func end(_ isSuccess: Bool, _ code: Int) {
            add(
                TraceRecord(
                    content: .after(
                        TraceRecord.After(
                            requestID: requestID, messageID: message.messageID,
                            milliseconds: SystemClock.now().milliseconds(since: begun), isSuccess: isSuccess,
                            keys: keys,
                            contextCode: code, timestamp: SystemClock.wall().rawValue, group: group)), region: region))
        }
        do {
            let outcome = try await handler(message, context)
            end(outcome == .success, outcome == .success ? 0 : 4)
            return outcome
        } catch {
            end(false, 2)
            throw error
        }
    }

    private func makeRequestID() -> String { producer.makeID() }
}
