import MQMessage
package import RocketMQClient

/// A record of the trace topic with where it came from.
package struct TraceStep: Equatable, Sendable {
    /// What its client told.
    package let record: TraceRecord
    /// The address the trace came from.
    package let clientHost: String

    /// The steps a trace message tells of, those of other messages too.
    static func all(in message: MessageExt) -> [TraceStep] {
        let host = message.bornHost.description
        return all(in: message.body, from: String(host.prefix(upTo: host.lastIndex(of: ":") ?? host.endIndex)))
    }

    static func all(in body: [UInt8], from host: String) -> [TraceStep] {
        TraceRecord.all(in: body).map { TraceStep(record: $0, clientHost: host) }
    }
}

extension Admin {
    /// What the trace topic knows of a message.
    package func trace(
        of messageID: String, traceTopic: String, begin: Int64, end: Int64, max: Int64
    ) async throws(ClientError) -> [TraceStep] {
        let messages = try await messages(topic: traceTopic, key: messageID, begin: begin, end: end, max: max)
        return messages.flatMap { TraceStep.all(in: $0) }.filter { $0.record.messageID == messageID }
    }
}
