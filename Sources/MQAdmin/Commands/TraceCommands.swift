import MQJSON
import MQBase
import MQSystem
import RocketMQClient

let traceCommands: [Command] = [
    .listing(
        "queryMsgTraceById", "Query a message trace.",
        [
            .value("i", "msgId", "Message Id", required: true),
            .value("t", "traceTopic", "The name value of message trace topic"),
            .value("b", "beginTimestamp", "Begin timestamp(ms). default:0, eg:1676730526212"),
            .value("e", "endTimestamp", "End timestamp(ms). default:Long.MAX_VALUE, eg:1676730526212"),
            .value("c", "maxNum", "The maximum number of messages returned by the query, default:64"),
        ], run: showTrace)
]

@Sendable private func showTrace(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let id = try arguments.text("i")
    let steps = try await admin.trace(
        of: id, traceTopic: arguments["t"] ?? "RMQ_SYS_TRACE_TOPIC", begin: try arguments.integer("b") ?? 0,
        end: try arguments.integer("e") ?? .max, max: try arguments.integer("c") ?? 64)
    guard !steps.isEmpty else {
        throw ClientError.invalid("no trace of the message \(id); did its producer or consumer run with tracing on?")
    }
    output.list("trace")
    for step in steps where step.record.kind == .sent {
        header("#ProducerGroup", "#SendTime", output)
        show(step, output)
        output.decorate("%n")
    }
    let consumed = steps.filter { $0.record.kind == .after }
    for group in Set(consumed.map(\.record.group)).sorted() {
        header("#ConsumerGroup", "#ConsumerTime", output)
        for step in consumed where step.record.group == group { show(step, output) }
        output.decorate("%n")
    }
}

private let columns = "%-10s %-20s %-20s %-20s %-10s %-10s%n"

private func header(_ group: String, _ time: String, _ output: Output) {
    output.decorate(columns, "#Type", group, "#ClientHost", time, "#CostTimes", "#Status")
}

private func show(_ step: TraceStep, _ output: Output) {
    let record = step.record
    let type = record.kind == .sent ? "Pub" : "Sub"
    let status = record.isSuccess ? "success" : "failed"
    output.item(
        "trace",
        [
            "type": .string(type), "group": .string(record.group), "clientHost": .string(step.clientHost),
            "timestamp": .integer(record.timestamp), "costMilliseconds": .integer(record.milliseconds),
            "status": .string(status),
        ],
        columns, type, record.group, step.clientHost, secondsText(record.timestamp), "\(record.milliseconds)ms", status)
}
