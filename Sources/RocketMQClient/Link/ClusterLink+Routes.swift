public import MQProtocol

extension ClusterLink {
    /// The topic whose route and queues new topics are made after.
    static let defaultTopic = "TBW102"

    /// Where the topic's queues are, from the cache if it is there.
    /// - Throws: `topicNotFound`, or what the name servers' silence makes.
    public func route(of topic: String) async throws(ClientError) -> TopicRouteData {
        if let entry = await routes.entry(topic), !entry.isDefault { return entry.route }
        guard let route = try await fetchRoute(topic) else { throw .topicNotFound(topic) }
        return route
    }

    /// The route to send by: the topic's, or the default topic's with at most `defaultQueueCount` queues, because the
    /// broker will make the topic.
    func publishRoute(of topic: String, defaultQueueCount: Int) async throws(ClientError) -> TopicRouteData {
        if let entry = await routes.entry(topic) { return entry.route }
        if let route = try await fetchRoute(topic) { return route }
        guard var route = try await fetchRoute(Self.defaultTopic) else { throw .topicNotFound(topic) }
        for index in route.queueDatas.indices {
            let count = min(defaultQueueCount, route.queueDatas[index].readQueueNums)
            route.queueDatas[index].readQueueNums = count
            route.queueDatas[index].writeQueueNums = count
        }
        await routes.set(topic, RouteCache.Entry(route: route, isDefault: true))
        return route
    }

    /// The topic's route as a name server gives it now, past the cache. `nil`: none has the topic.
    public func fetchRoute(of topic: String) async throws(ClientError) -> TopicRouteData? {
        try await fetchRoute(topic)
    }

    /// Asks the name servers. `nil`: none has the topic.
    func fetchRoute(_ topic: String) async throws(ClientError) -> TopicRouteData? {
        let route = try await routes.fetched(topic) { [weak self] in
            guard let self else { return .failure(.notRunning("the client")) }
            do throws(ClientError) {
                return .success(try await self.askRoute(topic))
            } catch {
                return .failure(error)
            }
        }
        plans.forget(topic)
        // A broker that was not known has not heard of us: tell it now, not at the next heartbeat.
        if !members.isEmpty, await !routes.newAddresses().isEmpty {
            side.run { [weak self] in _ = await self?.heartbeat() }
        }
        return route
    }

    private func askRoute(_ topic: String) async throws(ClientError) -> TopicRouteData? {
        let request = RemotingCommand(.getRouteInfoByTopic, ["topic": topic, "acceptStandardJsonOnly": "true"])
        let answer = try await nameServerAnswer(to: request)
        switch answer.responseCode {
        case .success: break
        case .topicNotExist: return nil
        default:
            throw .refused(by: "the name server", code: answer.code, remark: answer.remark ?? "no reason given")
        }
        do throws(BodyError) {
            return try TopicRouteData(parsing: answer.body)
        } catch {
            throw .badAnswer(from: "the name server", error.description)
        }
    }

    /// Asks again for the routes of all topics in use; what cannot be had stays as it was.
    func refreshRoutes() async {
        for topic in await routes.topics {
            _ = try? await fetchRoute(topic)  // the old route serves until a name server answers again
        }
    }

    /// The address of a broker: its master's, or the one with `id`; any of it if that one is gone and `orAny` says so.
    func brokerAddress(_ name: String, id: Int64 = 0, orAny: Bool = false) async -> String? {
        guard let byID = await routes.brokers()[name] else { return nil }
        if let address = byID[id] { return address }
        return orAny ? byID.min { $0.key < $1.key }?.value : nil
    }
}
