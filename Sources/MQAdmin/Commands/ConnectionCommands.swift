import MQJSON
import MQProtocol
import RocketMQClient

let connectionCommands: [Command] = [
    .listing(
        "consumerConnection", "Query consumer's socket connection, client version and subscription.",
        [
            .value("g", "consumerGroup", "consumer group name", required: true),
            .value("b", "brokerAddr", "broker address"),
        ], run: consumerConnection),
    .listing(
        "producerConnection", "Query producer's socket connection and client version.",
        [
            .value("g", "producerGroup", "producer group name", required: true),
            .value("t", "topic", "topic name", required: true),
        ]
    ) { arguments, admin, output in
        let producers = try await admin.producers(of: try arguments.text("g"), topic: try arguments.text("t"))
        let table = output.table(
            "connections", header: nil, row: "%04d  %-32s %-22s %-8s %s%n",
            [
                "": "index", "#ClientId": "clientId", "#ClientAddr": "clientAddr", "#Language": "language",
                "#Version": "version",
            ])
        for (index, connection) in producers.connectionSet.enumerated() {
            table.row(
                index + 1, connection.clientID, connection.clientAddr, connection.language,
                ProtocolVersion.text(Int32(clamping: connection.version)))
        }
    },
]

@Sendable private func consumerConnection(
    _ arguments: CommandArguments, _ admin: Admin, _ output: Output
) async throws {
    let consumers = try await admin.consumers(of: try arguments.text("g"), at: arguments["b"])
    let clients = output.table(
        "connections", header: "%-36s %-22s %-10s %s%n", row: "%-36s %-22s %-10s %s%n",
        [
            "#ClientId": "clientId", "#ClientAddr": "clientAddr", "#Language": "language", "#Version": "version",
        ])
    for connection in consumers.connectionSet {
        clients.row(
            connection.clientID, connection.clientAddr, connection.language,
            ProtocolVersion.text(Int32(clamping: connection.version)))
    }
    output.decorate("%nBelow is subscription:%n")
    let topics = output.table(
        "subscriptions", header: "%-20s %s%n", row: "%-20s %s%n",
        ["#Topic": "topic", "#SubExpression": "subExpression"])
    for subscription in consumers.subscriptionTable.values.sorted(by: { $0.topic < $1.topic }) {
        topics.row(subscription.topic, subscription.subString)
    }
    output.decorate("%n")
    let (type, model, start) = (consumers.consumeType, consumers.messageModel, consumers.consumeFromWhere)
    output.value("consumeType", .string(type.rawValue), "ConsumeType: %s%n", type.rawValue)
    output.value("messageModel", .string(model.rawValue), "MessageModel: %s%n", model.rawValue)
    output.value("consumeFromWhere", .string(start.rawValue), "ConsumeFromWhere: %s%n", start.rawValue)
}
