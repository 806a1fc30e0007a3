public import MQProtocol
public import RocketMQClient

extension Admin {
    /// What something came to lately at the broker at `address`.
    /// - Parameters:
    ///   - name: `TOPIC_PUT_NUMS`, `GROUP_GET_NUMS`, `BROKER_PUT_NUMS`, …
    ///   - key: the topic, `topic@group`, or the cluster.
    /// - Returns: `nil` if the broker has counted nothing of that name.
    public func statsData(
        _ name: String, key: String, at address: String
    ) async throws(ClientError) -> BrokerStatsData? {
        let request = RemotingCommand(.viewBrokerStatsData, ["statsName": name, "statsKey": key])
        let answer = try await link.answer(to: request, at: address)
        if answer.responseCode == .systemError, answer.remark?.hasSuffix("not exist") == true { return nil }
        guard answer.responseCode == .success else {
            throw .refused(by: address, code: answer.code, remark: answer.remark ?? "no reason given")
        }
        return try link.body(BrokerStatsData.self, of: answer, from: address)
    }

    /// A rate and what came in a day, over all masters of a topic.
    public struct Flow: Equatable, Sendable {
        /// Messages a second in the last minute.
        public var tps = 0.0
        /// Messages in the last day.
        public var daySum: Int64 = 0
    }

    /// What came in for a topic; with a group, what went out to it.
    public func flow(ofTopic topic: String, toGroup group: String? = nil) async throws(ClientError) -> Flow {
        let name = group == nil ? "TOPIC_PUT_NUMS" : "GROUP_GET_NUMS"
        let key = group.map { "\(topic)@\($0)" } ?? topic
        var flow = Flow()
        for broker in try await link.route(of: topic).brokerDatas {
            guard let address = broker.brokerAddrs[0] else { continue }
            guard let data = try await statsData(name, key: key, at: address) else { continue }
            flow.tps += data.minute.tps
            flow.daySum = flow.daySum.plus(data.daySum)
        }
        return flow
    }

    /// The progress of all groups at the broker at `address`.
    public func consumeStats(
        at address: String, onlyOrdered: Bool, timeout: Duration
    ) async throws(ClientError) -> ConsumeStatsList {
        let request = RemotingCommand(.getBrokerConsumeStats, ["isOrder": String(onlyOrdered)])
        let answer = try await link.ask(request, at: address, timeout: timeout)
        return try link.body(ConsumeStatsList.self, of: answer, from: address)
    }

    /// Units of a queue at the broker at `address`; with a group, what it wants of the topic.
    public func units(
        of queueID: Int, topic: String, from index: Int64, count: Int64, group: String?, at address: String
    ) async throws(ClientError) -> QueryConsumeQueueResponseBody {
        var request = RemotingCommand(
            .queryConsumeQueue,
            ["topic": topic, "queueId": String(queueID), "index": String(index), "count": String(count)])
        request["consumerGroup"] = group
        let answer = try await link.ask(request, at: address)
        // An index outside of the queue is answered with success, a remark and only the queue's ends.
        return try link.body(QueryConsumeQueueResponseBody.self, of: answer, from: address)
    }
}
