import MQBase
import MQJSON
import MQProtocol
import MQSystem
import RocketMQClient

let monitorCommands: [Command] = [
    .listing("startMonitoring", "Start Monitoring.") { arguments, admin, output in
        // With --json or --watch one round; else a round a minute, as Java's.
        repeat {
            try await monitorRound(admin, output)
            guard !output.isJSON, !arguments.has("watch") else { return }
            output.flush()
            try await Task.sleep(for: .seconds(60))
        } while true
    }
]

/// Looks at every group that is online: what it has not consumed, what stands still at its members, and whether they want
/// the same. Source: `MonitorService.java`, RocketMQ 5.3, whose listener writes these lines to a log.
private func monitorRound(_ admin: Admin, _ output: Output) async throws(ClientError) {
    output.decorate("[MONITOR] =========================================beginRound%n")
    output.list("undone")
    output.list("notices")
    for topic in try await admin.topics().sorted() where topic.hasPrefix(Admin.retryPrefix) {
        let group = String(topic.dropFirst(Admin.retryPrefix.count))
        do throws(ClientError) {
            let consumers = try await admin.consumers(of: group)
            let stats = try await admin.progress(of: group)
            for undone in undone(of: group, stats) {
                output.item("undone", undone.json, "[MONITOR] reportUndoneMsgs: %s%n", undone.text)
            }
            await reportMembers(of: group, consumers, admin, output)
        } catch {
            switch error {
            case .refused, .topicNotFound: continue  // nobody is there, or it broadcasts
            default: throw error
            }
        }
    }
    output.decorate("[MONITOR] =========================================endRound%n")
}

/// What a group has not consumed of one topic. Source: `UndoneMsgs.java`.
struct UndoneMessages: Equatable {
    let group: String
    let topic: String
    /// Of all queues.
    let total: Int64
    /// Of the queue that has most.
    let singleQueueMax: Int64
    /// How long the oldest of them has been behind the newest message, milliseconds.
    let delayMilliseconds: Int64

    var text: String {
        "UndoneMsgs [consumerGroup=\(group), topic=\(topic), undoneMsgsTotal=\(total), "
            + "undoneMsgsSingleMQ=\(singleQueueMax), undoneMsgsDelayTimeMills=\(delayMilliseconds)]"
    }

    var json: JSON {
        [
            "consumerGroup": .string(group), "topic": .string(topic), "undoneMsgsTotal": .integer(total),
            "undoneMsgsSingleMQ": .integer(singleQueueMax), "undoneMsgsDelayTimeMills": .integer(delayMilliseconds),
        ]
    }
}

/// What a group has not consumed, by topic. Pure but for the clock.
func undone(
    of group: String, _ stats: ConsumeStats, now: Int64 = SystemClock.wall().rawValue
) -> [UndoneMessages] {
    Dictionary(grouping: stats.offsetTable) { $0.key.topic }.map { topic, queues in
        let left = queues.map { max(0, $0.value.brokerOffset.minus($0.value.consumerOffset)) }
        let delays = queues.compactMap { queue -> Int64? in
            guard queue.value.brokerOffset > queue.value.consumerOffset, queue.value.lastTimestamp > 0 else {
                return nil
            }
            return max(0, now.minus(queue.value.lastTimestamp))
        }
        return UndoneMessages(
            group: group, topic: topic, total: left.sum, singleQueueMax: left.max() ?? 0,
            delayMilliseconds: delays.max() ?? 0)
    }.sorted { $0.topic < $1.topic }
}

/// Members that do not answer are left out: the next round asks again.
private func reportMembers(
    of group: String, _ consumers: ConsumerConnection, _ admin: Admin, _ output: Output
) async {
    var infos: [(clientID: String, info: RunningInfo)] = []
    for connection in consumers.connectionSet {
        if let info = try? await admin.runningInfo(ofClient: connection.clientID, group: group) {
            infos.append((connection.clientID, info))
        }
    }
    func notice(_ text: String) {
        output.item(
            "notices", .string("ConsumerGroup: \(group), \(text)"),
            "[MONITOR]  [NOTIFY] reportConsumerRunningInfo: ConsumerGroup: %s, %s%n", group, text)
    }
    if Set(infos.map(\.info.subscriptions)).count > 1 { notice("Subscription different") }
    let now = SystemClock.wall().rawValue
    for (clientID, info) in infos {
        for line in info.complaints(clientID: clientID, now: now) { notice("ClientId: \(clientID), \(line)") }
    }
}
