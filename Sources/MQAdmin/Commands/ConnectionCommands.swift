import MQProtocol
import RocketMQClient

let connectionCommands: [Command] = [
    Command(
        "consumerConnection", "Query consumer's socket connection, client version and subscription.",
        [
            .value("g", "consumerGroup", "consumer group name", required: true),
            .value("b", "brokerAddr", "broker address"),
        ], run: consumerConnection),
    Command(
        "producerConnection", "Query producer's socket connection and client version.",
        [
            .value("g", "producerGroup", "producer group name", required: true),
            .value("t", "topic", "topic name", required: true),
        ]
    ) { arguments, admin, output in
        let producers = try await admin.producers(of: try arguments.text("g"), topic: try arguments.text("t"))
        for (index, connection) in producers.connectionSet.enumerated() {
            output.print(
                "%04d  %-32s %-22s %-8s %s%n", index + 1, connection.clientID, connection.clientAddr,
                connection.language, ProtocolVersion.text(Int32(clamping: connection.version)))
        }
    },
]

@Sendable private func consumerConnection(
    _ arguments: CommandArguments, _ admin: Admin, _ output: Output
) async throws {
    let consumers = try await admin.consumers(of: try arguments.text("g"), at: arguments["b"])
    output.print("%-36s %-22s %-10s %s%n", "#ClientId", "#ClientAddr", "#Language", "#Version")
    for connection in consumers.connectionSet {
        output.print(
            "%-36s %-22s %-10s %s%n", connection.clientID, connection.clientAddr, connection.language,
            ProtocolVersion.text(Int32(clamping: connection.version)))
    }
    output.print("%nBelow is subscription:%n")
    output.print("%-20s %s%n", "#Topic", "#SubExpression")
    for subscription in consumers.subscriptionTable.values.sorted(by: { $0.topic < $1.topic }) {
        output.print("%-20s %s%n", subscription.topic, subscription.subString)
    }
    output.print("%n")
    output.print("ConsumeType: %s%n", consumers.consumeType.rawValue)
    output.print("MessageModel: %s%n", consumers.messageModel.rawValue)
    output.print("ConsumeFromWhere: %s%n", consumers.consumeFromWhere.rawValue)
}
