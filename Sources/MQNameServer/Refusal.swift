import MQProtocol
import MQRemoting

extension Refusal {
    /// Source: `ClientRequestProcessor.java`, RocketMQ 5.3. Clients show it as it is.
    static func noRoute(_ topic: String) -> Refusal {
        Refusal(.topicNotExist, "No topic route info in name server for the topic: \(topic)" + topicHelp)
    }

    static let notReady = Refusal(.systemError, "name server not ready")
    static let listDisabled = Refusal(.systemError, "disable")
    static let wrongChecksum = Refusal(.systemError, "crc32 not match")

    /// A registration that the route table does not take.
    init(_ error: RouteRefusal) { self.init(.systemError, error.description) }
}
