import MQBase
import MQProtocol
import MQRemoting
import MQSystem

/// What topics and groups come to: rates, progress of all groups, times.
///
/// Source: `AdminBrokerProcessor.java`, RocketMQ 5.3.
extension ControlService {
    /// `VIEW_BROKER_STATS_DATA` (315).
    func statsData(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        let name = try request.required("statsName")
        let key = try request.required("statsKey")
        let cluster = config.current.identity.clusterName
        guard let data = stats.data(name, key: key, cluster: cluster, now: SystemClock.wall().rawValue) else {
            throw Refusal(.systemError, "The stats <\(name.prefix(255))> <\(key.prefix(1024))> not exist")
        }
        return RemotingCommand(.success, body: data.encoded())
    }

    /// One topic as the questions about progress see it.
    struct ProgressTopic: Sendable {
        let name: String
        let queueCount: Int
    }

    /// A group's progress in one topic. May wait for a disk: on the admin threads.
    func progress(of group: String, in topic: ProgressTopic, broker: String) -> ConsumeStats {
        let committed = offsets.offsets(group: group, topic: topic.name)
        var part = ConsumeStats(consumeTps: stats.topics.getRate(group, topic.name))
        let pulled = stats.topics.existing(topic.name)?.existing(group)?.pulled
        for queue in 0..<topic.queueCount {
            let end = store.offsets(topic: topic.name, queueID: queue)?.max ?? 0
            let offset = max(0, committed[Int32(queue)] ?? 0)
            let last =
                offset > 0 ? store.storeTimestamp(topic: topic.name, queueID: queue, offset: offset - 1) : nil
            part.offsetTable[MessageQueue(topic: topic.name, brokerName: broker, queueID: queue)] =
                ConsumeStats.OffsetWrapper(
                    brokerOffset: max(0, end), consumerOffset: offset, pullOffset: max(offset, pulled?[queue] ?? 0),
                    lastTimestamp: max(0, last ?? 0))
        }
        return part
    }

    /// `GET_BROKER_CONSUME_STATS` (317): all groups; with `isOrder` only their ordered topics.
    func allConsumeStats(_ request: RemotingCommand, reply: Reply) throws(Refusal) -> RemotingCommand? {
        let onlyOrdered = request.bool("isOrder")
        let identity = config.current.identity
        return try inBackground(reply) { [self] () throws(Refusal) in
            var list = ConsumeStatsList(brokerAddr: identity.address, groups: [], totalDiff: 0, totalInflightDiff: 0)
            for group in groups.wrapper().subscriptionGroupTable.keys.sorted() {
                let wanted = clients.consumerGroup(group)?.subscriptions ?? [:]
                var parts: [ConsumeStats] = []
                for name in offsets.topics(of: group) where wanted.isEmpty || wanted[name] != nil {
                    guard let topic = topics.config(of: name), topic.order || !onlyOrdered else { continue }
                    let queues = ProgressTopic(name: name, queueCount: topic.writeQueueNums)
                    let part = progress(of: group, in: queues, broker: identity.brokerName)
                    for queue in part.offsetTable.values {
                        list.totalDiff += queue.brokerOffset - queue.consumerOffset
                        list.totalInflightDiff += queue.pullOffset - queue.consumerOffset
                    }
                    parts.append(part)
                }
                list.groups.append(ConsumeStatsList.Group(name: group, stats: parts))
            }
            return RemotingCommand(.success, body: list.encoded())
        }
    }

    /// `QUERY_CONSUME_TIME_SPAN` (303).
    func consumeTimeSpan(_ request: RemotingCommand, reply: Reply) throws(Refusal) -> RemotingCommand? {
        let name = try request.required("topic")
        let group = try request.required("group")
        guard let topic = topics.config(of: name) else {
            throw Refusal(.topicNotExist, "topic[\(name)] not exist")
        }
        let broker = config.current.identity.brokerName
        return try inBackground(reply) { [store, offsets] () throws(Refusal) in
            let committed = offsets.offsets(group: group, topic: name)
            var spans: [QueryConsumeTimeSpanBody.Span] = []
            for queue in 0..<topic.writeQueueNums {
                let end = store.offsets(topic: name, queueID: queue)?.max ?? 0
                func stored(_ offset: Int64) -> Int64 {
                    store.storeTimestamp(topic: name, queueID: queue, offset: offset) ?? -1
                }
                let first = store.earliestStoreTimestamp(topic: name, queueID: queue) ?? -1
                let offset = committed[Int32(queue)] ?? 0
                let next = offset < end ? stored(max(0, offset)) : -1
                spans.append(
                    QueryConsumeTimeSpanBody.Span(
                        queue: MessageQueue(topic: name, brokerName: broker, queueID: queue), minTimestamp: first,
                        maxTimestamp: end > 0 ? stored(end - 1) : -1,
                        consumeTimestamp: offset > 0 ? stored(offset - 1) : first,
                        delayMilliseconds: next >= 0 ? max(0, SystemClock.wall().rawValue - next) : 0))
            }
            return RemotingCommand(.success, body: QueryConsumeTimeSpanBody(spans: spans).encoded())
        }
    }
}
