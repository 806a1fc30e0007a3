import MQConfig
import MQJSON
import MQObserve
import MQProtocol
import MQRemoting

/// Lists of topics, and the requests that change single topics.
extension NameService {
    /// `GET_ALL_TOPIC_LIST_FROM_NAMESERVER` (206).
    func allTopics() throws(Refusal) -> RemotingCommand {
        guard config[NameServerKeys.enableAllTopicList] else { throw .listDisabled }
        return RemotingCommand(.success, body: TopicList(topicList: table.allTopics).encoded())
    }

    /// `GET_TOPICS_BY_CLUSTER` (224).
    func topicsByCluster(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        guard config[NameServerKeys.enableTopicList] else { throw .listDisabled }
        let topics = table.topics(inCluster: try request.required("cluster"))
        return RemotingCommand(.success, body: TopicList(topicList: topics).encoded())
    }

    /// `GET_UNIT_TOPIC_LIST` (311) and its two relatives (312, 313).
    func unitTopics(_ isWanted: (RouteTable.UnitFlags) -> Bool) throws(Refusal) -> RemotingCommand {
        guard config[NameServerKeys.enableTopicList] else { throw .listDisabled }
        return RemotingCommand(.success, body: TopicList(topicList: table.topics(where: isWanted)).encoded())
    }

    /// `DELETE_TOPIC_IN_NAMESRV` (216).
    func deleteTopic(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        let topic = try request.required("topic")
        let cluster = request["clusterName"].flatMap { $0.isEmpty ? nil : $0 }
        table.deleteTopic(topic, cluster: cluster)
        log.info("topic deleted", ["topic": topic, "cluster": cluster ?? "all"])
        return RemotingCommand(.success)
    }

    /// `REGISTER_TOPIC_IN_NAMESRV` (217).
    func registerTopic(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        let topic = try request.required("topic")
        guard !request.body.isEmpty else { return RemotingCommand(.success) }
        let limits = JSONLimits(byteCountMax: 1 << 20, depthMax: 32, elementsMax: 100_000)
        let route: TopicRouteData
        do throws(BodyError) {
            route = try TopicRouteData(parsing: request.body, limits: limits)
        } catch {
            throw Refusal(error)
        }
        do throws(RouteRefusal) {
            try table.registerTopic(topic, route.queueDatas)
        } catch {
            throw Refusal(error)
        }
        return RemotingCommand(.success)
    }
}
