import MQBase
import MQConfig
import MQJSON
import MQMessage
import MQProtocol
import MQRemoting
import MQSystem
import MQTransport

/// QUERY_ASSIGNMENT (400), SET_MESSAGE_REQUEST_MODE (401) and GET_ALL_MESSAGE_REQUEST_MODE (402). The topic's queues at all brokers come from a name server,
/// asked on a thread that may wait, and are kept for a while; without one they are this broker's own. Any thread.
///
/// Source of rules and texts: `QueryAssignmentProcessor.java`, `TopicRouteInfoManager.java`, RocketMQ 5.3.
final class AssignmentHandler: Sendable {
    /// `loadBalancePollNameServerInterval`, ms.
    private static let keptMilliseconds: Int64 = 30_000
    private static let keptMax = 10_000
    private static let timeoutMilliseconds: Int64 = 1000

    private let config: LiveConfig
    private let topics: TopicTable
    private let groups: GroupTable
    private let clients: ClientTable
    private let modes: RequestModes
    private let files: ConfigFiles
    private let pool: WorkerPool
    private let client: RemotingClient
    private let routes = Lock<[String: (queues: [MessageQueue]?, until: Int64)]>([:])

    /// - Parameters:
    ///   - pool: threads that may wait.
    ///   - loop: carries connections to name servers, which go behind what `cipher` makes.
    init(
        config: LiveConfig, tables: BrokerTables, modes: RequestModes, files: ConfigFiles, pool: WorkerPool,
        loop: EventLoop, cipher: (@Sendable (SocketAddress) -> any ConnectionCipher)? = nil
    ) {
        self.config = config
        topics = tables.topics
        groups = tables.groups
        clients = tables.clients
        self.modes = modes
        self.files = files
        self.pool = pool
        client = RemotingClient(
            loop: loop, connectTimeoutMilliseconds: Self.timeoutMilliseconds, cipher: cipher)
    }

    /// Closes the connections.
    func stop() { client.close() }

    /// Answers QUERY_ASSIGNMENT.
    func query(_ request: RemotingCommand, _ reply: Reply) throws(Refusal) {
        let body: QueryAssignmentBody = try parse(request)
        if topics.isLiteQueue(body.topic) { return reply.send(answer(body, ownQueues(body.topic))) }
        // Names are kept: none that no topic can have.
        if let refusal = NameRules.refusal(ofTopic: body.topic) { throw Refusal(.invalidParameter, refusal) }
        let now = SystemClock.now().nanoseconds / 1_000_000
        if let known = routes.withLock({ $0[body.topic] }), known.until > now {
            return reply.send(answer(body, known.queues))
        }
        try pool.submit(.admin, refuse: { reply.send($0.answer) }) { [self] in
            let queues = ask(body.topic) ?? ownQueues(body.topic)
            routes.withLock { routes in
                if routes.count >= Self.keptMax { routes = [:] }
                routes[body.topic] = (queues, now + Self.keptMilliseconds)
            }
            reply.send(answer(body, queues))
        }
    }

    /// Answers SET_MESSAGE_REQUEST_MODE when it is on the disk.
    func setMode(_ request: RemotingCommand, _ reply: Reply) throws(Refusal) {
        let body: RequestModeBody = try parse(request)
        if body.topic.hasPrefix(NameRules.retryPrefix.description) {
            throw Refusal(.noPermission, "retry topic is not allowed to set mode")
        }
        guard topics.config(of: body.topic) != nil else {
            throw Refusal(.topicNotExist, "topic[\(body.topic)] not exist")
        }
        guard groups.config(of: body.group) != nil else {
            throw Refusal(.subscriptionGroupNotExist, "subscription group does not exist")
        }
        try modes.set(body)
        files.save(RequestModes.fileName) { error in
            reply.send(error.map { RemotingCommand(.systemError, remark: $0.description) } ?? RemotingCommand(.success))
        }
    }

    /// The answer to GET_ALL_MESSAGE_REQUEST_MODE (402).
    func allModes() -> RemotingCommand { RemotingCommand(.success, body: modes.json.encoded()) }

    private func parse<Body: JSONBody>(_ request: RemotingCommand) throws(Refusal) -> Body {
        do throws(BodyError) {
            return try Body(parsing: request.body, limits: JSONLimits(byteCountMax: 1 << 20))
        } catch {
            throw Refusal(error)
        }
    }

    // MARK: - Queues

    private func answer(_ body: QueryAssignmentBody, _ all: [MessageQueue]?) -> RemotingCommand {
        let settings = config.current.pop
        // A retry topic must be pulled.
        let isRetry = body.topic.hasPrefix(NameRules.retryPrefix.description)
        let fallback = isRetry ? MessageRequestMode.pull : settings.defaultMode
        let set = modes.mode(topic: body.topic, group: body.group)
        let mode = set?.mode ?? fallback
        let share = set?.shareCount ?? settings.defaultShareCount
        var queues = all
        if let all, !body.isBroadcasting, settings.sharesOutQueues {
            let members = clients.consumerIDs(of: body.group)
            let strategy = Assignment.Strategy(rawValue: body.strategyName)
            queues = nil
            if let members, let strategy {
                queues = Assignment.queues(
                    of: body.clientID, all, members: members, strategy: strategy, mode: mode, shareCount: share)
            }
        }
        return RemotingCommand(.success, body: QueryAssignmentBody.answer(queues, mode))
    }

    private func ownQueues(_ topic: String) -> [MessageQueue]? {
        guard let known = topics.config(of: topic), known.perm.contains(.read) else { return nil }
        return Self.queues(topic, at: config.current.identity.brokerName, count: known.readQueueNums)
    }

    private static func queues(_ topic: String, at broker: String, count: Int) -> [MessageQueue] {
        (0..<min(max(count, 0), 65_536)).map { MessageQueue(topic: topic, brokerName: broker, queueID: $0) }
    }

    /// What a name server says; `nil` if none can be asked or none knows the topic. Blocks.
    private func ask(_ topic: String) -> [MessageQueue]? {
        for server in config.current.registration.nameServers {
            // A name that cannot be resolved is like a server that is down.
            guard let address = try? SocketAddress.resolve(server) else { continue }
            let request = RemotingCommand(.getRouteInfoByTopic, ["topic": topic, "acceptStandardJsonOnly": "true"])
            let result = client.invokeAndWait(request, to: address, timeoutMilliseconds: Self.timeoutMilliseconds)
            guard case .success(let answer) = result, answer.responseCode == .success,
                let route = try? TopicRouteData(parsing: answer.body)
            else { continue }
            return route.queueDatas.filter { $0.perm.contains(.read) }.flatMap {
                Self.queues(topic, at: $0.brokerName, count: $0.readQueueNums)
            }
        }
        return nil
    }
}
