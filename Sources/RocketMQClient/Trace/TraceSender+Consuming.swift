import MQBase
import MQMessage
import MQSystem

extension TraceSender {
    /// Runs `handler` between the two records that tell of it.
    func traced(
        _ message: MessageExt, _ context: ConsumeContext, group: String, _ handler: MessageHandler
    ) async throws -> ConsumeOutcome {
        guard message.properties[PropertyName.traceOn] != "false" else { return try await handler(message, context) }
        let requestID = producer.makeID()
        let begun = SystemClock.now()
        func note(_ kind: TraceRecord.Kind, _ isSuccess: Bool = true, _ code: Int = 0) {
            add(
                TraceRecord(kind) { record in
                    record.timestamp = SystemClock.wall().rawValue
                    if let region = message.properties[PropertyName.messageRegion] { record.region = region }
                    record.group = group
                    record.requestID = requestID
                    record.messageID = message.messageID
                    record.retryTimes = message.reconsumeTimes
                    record.keys = message.properties[PropertyName.keys] ?? ""
                    record.milliseconds = SystemClock.now().milliseconds(since: begun)
                    record.isSuccess = isSuccess
                    record.contextCode = code
                })
        }
        note(.before)
        do {
            let outcome = try await handler(message, context)
            note(.after, outcome == .success, outcome == .success ? 0 : 4)
            return outcome
        } catch {
            note(.after, false, 2)
            throw error
        }
    }
}
