import MQMessage
public import RocketMQClient

/// One step in the life of a message, as its producer or a consumer noted it in the trace topic.
///
/// Source: `TraceDataEncoder.java`, `TraceView.java`, RocketMQ 5.3.
public struct TraceStep: Equatable, Sendable {
    /// What happened.
    public enum Kind: String, Sendable {
        case sent = "Pub"
        case beforeConsumption = "SubBefore"
        case consumed = "SubAfter"
        case ended = "EndTransaction"
        case recalled = "Recall"
    }

    /// What happened.
    public let kind: Kind
    /// The message.
    public let messageID: String
    /// Of the producer or consumer.
    public let group: String
    /// The address the trace came from.
    public let clientHost: String
    /// When, milliseconds since 1970; 0 if it was not noted.
    public let timestamp: Int64
    /// How long it took.
    public let costMilliseconds: Int64
    /// How it ended.
    public let isSuccess: Bool

    private static let fieldEnd: UInt8 = 1
    private static let recordEnd: UInt8 = 2

    /// The steps a trace message tells of, those of other messages too. A record that is not understood is left out.
    public static func all(in message: MessageExt) -> [TraceStep] {
        let host = message.bornHost.description
        return all(in: message.body, from: String(host.prefix(upTo: host.lastIndex(of: ":") ?? host.endIndex)))
    }

    static func all(in body: [UInt8], from host: String) -> [TraceStep] {
        body.split(separator: recordEnd).compactMap { record in
            let fields = record.split(separator: fieldEnd, omittingEmptySubsequences: false).map {
                String(decoding: $0, as: UTF8.self)
            }
            return TraceStep(fields, from: host)
        }
    }

    private init?(_ fields: [String], from host: String) {
        guard let kind = fields.first.flatMap(Kind.init) else { return nil }
        func field(_ index: Int) -> String { fields.indices.contains(index) ? fields[index] : "" }
        func number(_ index: Int) -> Int64 { Int64(field(index)) ?? 0 }
        self.kind = kind
        clientHost = host
        switch kind {
        case .sent:
            guard fields.count >= 12 else { return nil }
            (messageID, group, timestamp) = (field(5), field(3), number(1))
            costMilliseconds = number(10)
            // Twelve or thirteen fields: without the offset id.
            isSuccess = field(fields.count >= 14 ? 13 : 12) != "false"
        case .beforeConsumption:
            guard fields.count >= 7 else { return nil }
            (messageID, group, timestamp) = (field(5), field(3), number(1))
            (costMilliseconds, isSuccess) = (0, true)
        case .consumed:
            guard fields.count >= 5 else { return nil }
            (messageID, group, timestamp) = (field(2), field(8), number(7))
            (costMilliseconds, isSuccess) = (number(3), field(4) == "true")
        case .ended, .recalled:
            guard fields.count >= 6 else { return nil }
            (messageID, group, timestamp) = (field(5), field(3), number(1))
            (costMilliseconds, isSuccess) = (0, kind == .recalled ? field(6) == "true" : true)
        }
    }
}

extension Admin {
    /// What the trace topic knows of a message.
    public func trace(
        of messageID: String, traceTopic: String, begin: Int64, end: Int64, max: Int64
    ) async throws(ClientError) -> [TraceStep] {
        let messages = try await messages(topic: traceTopic, key: messageID, begin: begin, end: end, max: max)
        return messages.flatMap(TraceStep.all).filter { $0.messageID == messageID }
    }
}
