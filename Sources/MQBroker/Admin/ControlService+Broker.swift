import MQBase
import MQConfig
import MQObserve
import MQProtocol
import MQRemoting
import MQSystem
import MQTransport

/// The broker itself: its configuration and how it is.
///
/// Source: `AdminBrokerProcessor.java` `prepareRuntimeInfo`, RocketMQ 5.3.
extension ControlService {
    /// `UPDATE_BROKER_CONFIG` (25). Counts at once; answered when the broker's file says it too.
    func updateConfig(
        _ request: RemotingCommand, from channel: RemotingChannel, reply: Reply
    ) throws(Refusal) -> RemotingCommand? {
        let changes = try config.update(String(decoding: request.body, as: UTF8.self))
        for change in changes {
            log.info(
                "configuration changed",
                ["key": change.key, "old": change.old, "new": change.new, "by": channel.connection.peer.description])
        }
        if !changes.isEmpty { try topics.updatePattern() }
        guard !changes.isEmpty, let path = config.filePath else { return RemotingCommand(.success) }
        let isTaken = files.execute { [log] in
            do throws(SystemError) {
                try ConfigFileUpdate.apply(changes, to: path)
                reply.send(RemotingCommand(.success))
            } catch {
                log.error("cannot write the configuration", ["path": path, "reason": error.description])
                reply.send(RemotingCommand(.systemError, remark: "it counts until the broker stops, but: \(error)"))
            }
        }
        guard isTaken else { throw .busy }
        return nil
    }

    /// `GET_BROKER_RUNTIME_INFO` (28).
    func runtimeInfo(reply: Reply, now: Instant) throws(Refusal) -> RemotingCommand? {
        try inBackground(reply) { [self] () throws(Refusal) in
            var table: [String: String] = [:]
            for (name, value) in Self.constantValues { table[name] = value }
            for (name, value) in stats.runtimeValues(now: now) { table[name] = value }
            let seconds = max(0, (SystemClock.wall().rawValue - startedAt.rawValue) / 1000)
            table["bootTimestamp"] = String(startedAt.rawValue)
            table["runtime"] =
                "[ \(seconds / 86_400) days, \(seconds / 3600 % 24) hours, \(seconds / 60 % 60) minutes, "
                + "\(seconds % 60) seconds ]"
            table["brokerVersion"] = String(ProtocolVersion.current)
            table["brokerVersionDesc"] = ProtocolVersion.text(ProtocolVersion.current)
            table["startAcceptSendRequestTimeStamp"] = String(config.current.send.startAcceptTimestamp)
            for (name, value) in store.runtimeValues { table[name] = value }
            return RemotingCommand(.success, body: KVTable(table: table).encoded())
        }
    }

    /// What Java's parts count that this broker does not have, and what the store may leave out. Tools parse them all.
    private static let constantValues: [(String, String)] = {
        var values = [
            ("brokerActive", "true"), ("dispatchMaxBuffer", "0"), ("dispatchBehindBytes", "0"),
            ("pageCacheLockTimeMills", "0"),
            ("commitLogMinOffset", "0"), ("commitLogMaxOffset", "0"), ("commitLogDiskRatio", "0.0"),
            ("consumeQueueDiskRatio", "0.0"), ("earliestMessageTimeStamp", "-1"),
            ("remainTransientStoreBufferNumbs", "2147483647"), ("remainHowManyDataToFlush", "0 B"),
            ("timerReadBehind", "0"), ("timerOffsetBehind", "0"), ("timerCongestNum", "0"),
            ("timerEnqueueTps", "0.0"), ("timerDequeueTps", "0.0"), ("EndTransactionQueueSize", "0"),
            ("EndTransactionThreadPoolQueueCapacity", "100000"),
        ]
        let queues = [("send", 10_000), ("pull", 100_000), ("litePull", 100_000), ("query", 20_000), ("ack", 100_000)]
        for (name, capacity) in queues {
            values.append((name + "ThreadPoolQueueSize", "0"))
            values.append((name + "ThreadPoolQueueCapacity", String(capacity)))
            values.append((name + "ThreadPoolQueueHeadWaitTimeMills", "0"))
        }
        return values
    }()
}
