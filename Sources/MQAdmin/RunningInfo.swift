public import MQJSON
public import MQProtocol

/// What a consumer says of itself: answer of `GET_CONSUMER_RUNNING_INFO` (307). What a client leaves out or spells wrong
/// is left out here.
///
/// Source of the text and the judgements: `ConsumerRunningInfo.java`, `ProcessQueueInfo.java`, RocketMQ 5.3.
public struct RunningInfo: Sendable {
    /// One queue and how it stands with the client.
    public struct Queue: Sendable {
        /// The queue.
        public let queue: MessageQueue
        let state: JSON
    }

    /// As the client wrote it.
    public let json: JSON
    /// Queues it pulls.
    public let queues: [Queue]
    private let popQueues: [Queue]

    /// Takes the answer's body.
    public init(json: JSON) {
        self.json = json
        queues = Self.queues(json["mqTable"])
        popQueues = Self.queues(json["mqPopTable"])
    }

    private static func queues(_ table: JSON) -> [Queue] {
        (table.object ?? JSONObject()).compactMap { member in
            guard let key = member.key.object, let queue = try? MessageQueue(json: .object(key)) else { return nil }
            return Queue(queue: queue, state: member.value)
        }.sorted { $0.queue < $1.queue }
    }

    /// One of its properties.
    public func property(_ name: String) -> String? { json["properties"][name].string }

    /// Whether messages are pushed to it.
    public var isPush: Bool { property("PROP_CONSUME_TYPE") == "CONSUME_PASSIVELY" }

    /// Its subscriptions, without what is different for each member by nature.
    var subscriptions: Set<JSON> {
        Set((json["subscriptionSet"].array ?? []).map { ["topic": $0["topic"], "expression": $0["subString"]] })
    }

    /// What stands still at this member; a line each.
    func complaints(clientID: String, now: Int64) -> [String] {
        guard isPush else { return [] }
        let isOrderly = property("PROP_CONSUMEORDERLY") == "true"
        return queues.compactMap { entry in
            let state = entry.state
            func number(_ name: String) -> Int64 { state[name].int64 ?? 0 }
            let name = "\(clientID) \(javaText(of: entry.queue))"
            guard isOrderly else {
                let idle = now.minus(number("lastConsumeTimestamp"))
                guard idle > 60_000, number("cachedMsgCount") > 0 else { return nil }
                return "\(name) can't consume for a while, maybe blocked, \(idle)ms"
            }
            if state["locked"].bool != true {
                return "\(name) can't lock for a while, \(now.minus(number("lastLockTimestamp")))ms"
            }
            guard state["droped"].bool == true, number("tryUnlockTimes") > 0 else { return nil }
            return "\(name) unlock \(number("tryUnlockTimes")) times, still failed"
        }
    }

    // MARK: - Text

    /// As Java's commands print it.
    var text: String {
        var text = "#Consumer Properties#\n"
        for (name, value) in members(json["properties"]) { text += javaFormat("%-40s: %s%n", [name, value]) }
        text += "\n\n#Consumer Subscription#\n"
        for (index, subscription) in (json["subscriptionSet"].array ?? []).enumerated() {
            text += javaFormat(
                "%03d Topic: %-40s ClassFilter: %-8s SubExpression: %s%n",
                [
                    index + 1, subscription["topic"].string ?? "", subscription["classFilterMode"].bool ?? false,
                    subscription["subString"].string ?? "",
                ])
        }
        text +=
            "\n\n#Consumer Offset#\n"
            + queueText("%-64s", "#Consumer Offset", queues, "%-32s  %-32s  %-4d  %-20s%n") {
                $0["commitOffset"].string ?? ""
            }
        text +=
            "\n\n#Consumer MQ Detail#\n"
            + queueText("%-64s", "#ProcessQueueInfo", queues, "%-64s  %-32s  %-4d  %s%n", Self.stateText)
        text +=
            "\n\n#Consumer Pop Detail#\n"
            + queueText("%-32s", "#ProcessQueueInfo", popQueues, "%-32s  %-32s  %-4d  %s%n") { state in
                "PopProcessQueueInfo [waitAckCount:\(state["waitAckCount"].int64 ?? 0), droped:"
                    + "\(state["droped"].bool ?? false), lastPopTimestamp:\(state["lastPopTimestamp"].int64 ?? 0)]"
            }
        text += "\n\n#Consumer RT&TPS#\n" + rateText
        text += "\n\n#User Consume Info#\n"
        for (name, value) in members(json["userConsumerInfo"]) { text += javaFormat("%-40s: %s%n", [name, value]) }
        if let stacks = json["jstack"].string { text += "\n\n#Consumer jstack#\n" + stacks }
        return text
    }

    private func members(_ object: JSON) -> [(String, String)] {
        (object.object ?? JSONObject()).map { ($0.key.string ?? "", $0.value.string ?? "\($0.value)") }
            .sorted { $0.0 < $1.0 }
    }

    private func queueText(
        _ first: String, _ title: String, _ queues: [Queue], _ row: String, _ value: (JSON) -> String
    ) -> String {
        var text = javaFormat("\(first)  %-32s  %-4s  %-20s%n", ["#Topic", "#Broker Name", "#QID", title])
        for entry in queues {
            let queue = entry.queue
            text += javaFormat(row, [queue.topic, queue.brokerName, queue.queueID, value(entry.state)])
        }
        return text
    }

    private static func stateText(_ state: JSON) -> String {
        func number(_ name: String) -> String { "\(name)=\(state[name].int64 ?? 0)" }
        func time(_ name: String) -> String {
            let digits = timeText(state[name].int64 ?? 0).filter(\.isNumber)
            return "\(name)=\(digits)"
        }
        let numbers = [
            "commitOffset", "cachedMsgMinOffset", "cachedMsgMaxOffset", "cachedMsgCount", "cachedMsgSizeInMiB",
            "transactionMsgMinOffset", "transactionMsgMaxOffset", "transactionMsgCount",
        ].map(number)
        let rest = [
            "locked=\(state["locked"].bool ?? false)", number("tryUnlockTimes"), time("lastLockTimestamp"),
            "droped=\(state["droped"].bool ?? false)", time("lastPullTimestamp"), time("lastConsumeTimestamp"),
        ]
        return "ProcessQueueInfo [" + (numbers + rest).joined(separator: ", ") + "]"
    }

    private var rateText: String {
        var text = javaFormat(
            "%-64s  %14s %14s %14s %14s %18s %25s%n",
            [
                "#Topic", "#Pull RT", "#Pull TPS", "#Consume RT", "#ConsumeOK TPS", "#ConsumeFailed TPS",
                "#ConsumeFailedMsgsInHour",
            ])
        for member in json["statusTable"].object ?? JSONObject() {
            let status = member.value
            let rates = ["pullRT", "pullTPS", "consumeRT", "consumeOKTPS", "consumeFailedTPS"].map {
                status[$0].double ?? 0
            }
            text += javaFormat(
                "%-32s  %14.2f %14.2f %14.2f %14.2f %18.2f %25d%n",
                [member.key.string ?? ""] + rates + [status["consumeFailedMsgs"].int64 ?? 0])
        }
        return text
    }
}

/// A queue as Java prints it.
func javaText(of queue: MessageQueue) -> String {
    "MessageQueue [topic=\(queue.topic), brokerName=\(queue.brokerName), queueId=\(queue.queueID)]"
}
