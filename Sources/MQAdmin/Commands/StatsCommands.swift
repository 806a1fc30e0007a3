import MQJSON
import MQProtocol
import RocketMQClient

let statsCommands: [Command] = [
    .listing(
        "statsAll", "Topic and Consumer tps stats.",
        [
            .flag("a", "activeTopic", "print active topic only"), .value("t", "topic", "print select topic only"),
        ], run: showAll),
    .listing(
        "queryCq", "Query cq command.",
        [
            .value("t", "topic", "topic name", required: true),
            .value("q", "queue", "queue num, ie. 1", required: true),
            .value("i", "index", "start queue index.", required: true), .value("c", "count", "how many."),
            .value("b", "broker", "broker addr."), .value("g", "consumer", "consumer group."),
        ], run: showUnits),
]

@Sendable private func showAll(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let onlyActive = arguments.has("a")
    let header = "%-64s  %-64s %12s %11s %11s %14s %14s%n"
    let columns: KeyValuePairs = [
        "#Topic": "topic", "#Consumer Group": "consumerGroup", "#Accumulation": "accumulation", "#InTPS": "inTps",
        "#OutTPS": "outTps", "#InMsg24Hour": "inMessages24Hours", "#OutMsg24Hour": "outMessages24Hours",
    ]
    let table = output.table("topics", header: header, row: header, columns)
    let topics: [String]
    if let given = arguments["t"] { topics = [given] } else { topics = try await admin.topics().sorted() }
    for topic in topics where !topic.hasPrefix(Admin.retryPrefix) && !topic.hasPrefix(Admin.deadLetterPrefix) {
        let flow: Admin.Flow
        let groups: [String]
        do throws(ClientError) {
            flow = try await admin.flow(ofTopic: topic)
            groups = try await admin.groups(consuming: topic).sorted()
        } catch {
            // One that is deleted meanwhile, or whose brokers have gone, has no row.
            if case .topicNotFound = error, arguments["t"] == nil { continue }
            throw error
        }
        if groups.isEmpty {
            guard !onlyActive || flow.daySum > 0 else { continue }
            table.row(
                shown(topic, 64), "", 0, rate(flow.tps), Cell("", .null), flow.daySum, Cell("NO_CONSUMER", .null))
        }
        for group in groups {
            let out = try await admin.flow(ofTopic: topic, toGroup: group)
            guard !onlyActive || flow.daySum > 0 || out.daySum > 0 else { continue }
            table.row(
                shown(topic, 64), shown(group, 64), try await accumulation(of: group, topic, admin), rate(flow.tps),
                rate(out.tps), flow.daySum, out.daySum)
        }
    }
}

/// With two decimals.
private func rate(_ tps: Double) -> Cell { Cell(javaFormat("%.2f", [tps]), .number(tps)) }

/// What the group has not consumed of the topic; 0 if nobody knows.
private func accumulation(of group: String, _ topic: String, _ admin: Admin) async throws(ClientError) -> Int64 {
    do throws(ClientError) {
        let stats = try await admin.progress(of: group, topic: topic)
        return max(0, stats.offsetTable.values.map { $0.brokerOffset.minus($0.consumerOffset) }.sum)
    } catch {
        switch error {
        case .refused, .topicNotFound: return 0  // it broadcasts, or pulled without ever being a member
        default: throw error
        }
    }
}

@Sendable private func showUnits(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let topic = try arguments.text("t")
    let index = try arguments.integer("i") ?? 0
    let address: String
    if let given = arguments["b"] { address = given } else { address = try await admin.anyBroker(of: topic) }
    let body = try await admin.units(
        of: Int(clamping: try arguments.integer("q") ?? 0), topic: topic, from: index,
        count: try arguments.integer("c") ?? 10, group: arguments["g"], at: address)
    let line = String(repeating: "=", count: 38)
    if let subscription = body.subscription {
        output.value(
            "subscriptionData", subscription.json, "Subscription data: %n%s%n%s%n", subscription.json.text(.pretty),
            line)
    }
    if let filter = body.filterData {
        output.value("filterData", .string(filter), "Filter data: %n%s%n%s%n", filter, line)
    }
    output.decorate("Queue data: %nmax: %d, min: %d%n%s%n", body.maxIndex, body.minIndex, line)
    if output.isJSON {
        output.value("maxQueueIndex", .integer(body.maxIndex), "")
        output.value("minQueueIndex", .integer(body.minIndex), "")
    }
    output.list("queueData")
    for (step, unit) in body.units.enumerated() {
        let place = index.plus(Int64(step))
        var object = unit.json.object ?? JSONObject()
        object.set("index", .integer(place))
        output.item(
            "queueData", .object(object), "idx: %d%n%s%n%s%n", place, text(of: unit), line)
    }
}

/// As Java prints it.
private func text(of unit: QueryConsumeQueueResponseBody.Unit) -> String {
    "ConsumeQueueData{physicOffset=\(unit.physicalOffset), physicSize=\(unit.size), tagsCode=\(unit.tagsCode), "
        + "extendDataJson='null', bitMap='null', eval=false, msg='\(unit.message ?? "null")'}"
}
