import MQProtocol

/// Routes of the topics in use.
actor RouteCache {
    struct Entry {
        var route: TopicRouteData
        /// The route of the default topic, in place of one the topic does not have yet.
        var isDefault: Bool
    }

    private var entries: [String: Entry] = [:]
    private var knownAddresses: Set<String> = []
    private var fetching: [String: Task<Result<TopicRouteData?, ClientError>, Never>] = [:]

    /// Topics asked for so far.
    var topics: [String] { entries.keys.sorted() }

    func entry(_ topic: String) -> Entry? { entries[topic] }

    func set(_ topic: String, _ entry: Entry) { entries[topic] = entry }

    /// Forgets the default topic's route in place of the topic's own: it has one by now, or other queues.
    func forgetDefault(_ topic: String) {
        if entries[topic]?.isDefault == true { entries[topic] = nil }
    }

    /// Broker name → broker id → address, over all routes.
    func brokers() -> [String: [Int64: String]] {
        var brokers: [String: [Int64: String]] = [:]
        for entry in entries.values {
            for broker in entry.route.brokerDatas {
                brokers[broker.brokerName, default: [:]].merge(broker.brokerAddrs) { $1 }
            }
        }
        return brokers
    }

    /// Broker addresses of all routes that nobody asked for with this call before.
    func newAddresses() -> Set<String> {
        let all = Set(brokers().values.flatMap(\.values))
        defer { knownAddresses.formUnion(all) }
        return all.subtracting(knownAddresses)
    }

    /// Runs `fetch`, once for all who want the topic's route at the same time. `nil`: no name server has one.
    func fetched(
        _ topic: String, _ fetch: @escaping @Sendable () async -> Result<TopicRouteData?, ClientError>
    ) async throws(ClientError) -> TopicRouteData? {
        let task = fetching[topic] ?? Task { await fetch() }
        fetching[topic] = task
        defer { if fetching[topic] == task { fetching[topic] = nil } }
        // A caller that is cancelled goes; whoever else asks gets what comes.
        let route = try await value(of: task, before: nil, late: .cancelled)
        if let route { entries[topic] = Entry(route: route, isDefault: false) }
        return route
    }
}
