import MQJSON
public import MQProtocol
public import RocketMQClient

/// Operations on a cluster. Each asks the name servers or the brokers itself; nothing is remembered between calls but
/// routes.
public struct Admin: Sendable {
    /// What it asks over; started.
    public let link: ClusterLink

    /// - Parameter link: started by the caller, and shut down by it.
    public init(link: ClusterLink) { self.link = link }

    /// The group tools pull under. Source: `MixAll.TOOLS_CONSUMER_GROUP`.
    static let toolsGroup = "TOOLS_CONSUMER"

    // MARK: - Name servers

    /// The name servers of the list.
    /// - Throws: `noNameServer` if there is none: some commands need none.
    var nameServers: [String] {
        get throws(ClientError) {
            guard !link.options.nameServers.isEmpty else { throw .noNameServer }
            return link.options.nameServers
        }
    }

    /// Asks a name server and takes nothing but success.
    func askNameServer(_ request: RemotingCommand) async throws(ClientError) -> RemotingCommand {
        let answer = try await link.nameServerAnswer(to: request)
        guard answer.responseCode == .success else {
            throw .refused(by: "name server", code: answer.code, remark: answer.remark ?? "no reason given")
        }
        return answer
    }

    /// Asks every name server of the list.
    func askAllNameServers(_ request: RemotingCommand) async throws(ClientError) {
        for address in try nameServers { try await link.ask(request, at: address) }
    }

    /// All clusters and brokers.
    public func clusterInfo() async throws(ClientError) -> ClusterInfo {
        try link.body(
            ClusterInfo.self, of: try await askNameServer(RemotingCommand(.getBrokerClusterInfo)), from: "name server")
    }

    /// The brokers of a cluster, by name.
    /// - Throws: `invalid` if there is no such cluster.
    public func brokers(ofCluster cluster: String) async throws(ClientError) -> [BrokerData] {
        let info = try await clusterInfo()
        guard let names = info.clusterAddrTable[cluster] else {
            throw unknownCluster(cluster, info)
        }
        return names.sorted().compactMap { info.brokerAddrTable[$0] }
    }

    /// Addresses of a cluster's masters.
    /// - Throws: `invalid` if there is no such cluster, or it has no master now.
    public func masters(ofCluster cluster: String) async throws(ClientError) -> [String] {
        let masters = try await brokers(ofCluster: cluster).compactMap { $0.brokerAddrs[0] }
        guard !masters.isEmpty else { throw .invalid("the cluster \(cluster) has no master now") }
        return masters
    }

    /// The masters that `-b` (one address) or `-c` (a cluster) mean.
    func masters(_ arguments: CommandArguments) async throws(ClientError) -> [String] {
        if let address = arguments["b"] { return [address] }
        return try await masters(ofCluster: try arguments.text("c"))
    }

    /// The brokers, slaves too, that `-b` (one address), `-c` (a cluster) or neither (all clusters) mean.
    func addresses(_ arguments: CommandArguments) async throws(ClientError) -> [String] {
        if let address = arguments["b"] { return [address] }
        if let cluster = arguments["c"] {
            return try await brokers(ofCluster: cluster).flatMap(\.brokerAddrs.values).sorted()
        }
        return try await clusterInfo().brokerAddrTable.values.flatMap(\.brokerAddrs.values).sorted()
    }

    // MARK: - Brokers

    /// Has the broker at `address` remove queues that no topic has any more and whose records are gone.
    public func cleanExpiredQueues(at address: String) async throws(ClientError) {
        try await link.ask(RemotingCommand(.cleanExpiredConsumeQueue), at: address)
    }

    /// Has the broker at `address` remove the queues of topics that are not there.
    public func cleanUnusedTopics(at address: String) async throws(ClientError) {
        try await link.ask(RemotingCommand(.cleanUnusedTopic), at: address)
    }

    /// Has the broker at `address` delete expired files of its log soon, whatever the hour.
    public func deleteExpiredFiles(at address: String) async throws(ClientError) {
        try await link.ask(RemotingCommand(.deleteExpiredCommitLog), at: address)
    }

    /// Runtime figures of the broker at `address`.
    public func runtimeInfo(at address: String) async throws(ClientError) -> [String: String] {
        let answer = try await link.ask(RemotingCommand(.getBrokerRuntimeInfo), at: address)
        return try link.body(KVTable.self, of: answer, from: address).table
    }

    /// How the log of the broker at `address` reaches its slaves, or how it follows its master.
    public func replication(at address: String) async throws(ClientError) -> HARuntimeInfo {
        let answer = try await link.ask(RemotingCommand(.getBrokerHAStatus), at: address)
        return try link.body(HARuntimeInfo.self, of: answer, from: address)
    }

    /// Tells a slave how far its master is on the disk; a master is told in vain.
    public func resetMasterFlushOffset(to offset: Int64, at address: String) async throws(ClientError) {
        try await link.ask(RemotingCommand(.resetMasterFlushOffset, ["masterFlushOffset": String(offset)]), at: address)
    }

    /// The configuration of the broker at `address`, key and value, in its order.
    public func configuration(at address: String) async throws(ClientError) -> [(key: String, value: String)] {
        properties(in: try await link.ask(RemotingCommand(.getBrokerConfig), at: address))
    }

    /// The route to a topic's brokers. A light queue and the timer's topic have none of their own: theirs is that of
    /// `cluster`, a cluster's or parent topic's name.
    func route(of topic: String, via cluster: String?) async throws(ClientError) -> TopicRouteData {
        let hasNone = Self.isLight(topic) || topic == "rmq_sys_wheel_timer"
        return try await link.route(of: hasNone ? cluster ?? topic : topic)
    }

    /// Whether a topic is a light queue: one queue, 0, at each broker of its parent. Source: `MixAll.isLmq`.
    static func isLight(_ topic: String) -> Bool { topic.hasPrefix("%LMQ%") }

    /// The address to ask about a topic: a master of its route, any broker of it if there is none.
    func anyBroker(of topic: String) async throws(ClientError) -> String {
        let brokers = try await link.route(of: topic).brokerDatas.shuffled()
        guard
            let address = brokers.compactMap({ $0.brokerAddrs[0] }).first
                ?? brokers.compactMap({ $0.anyAddress }).first
        else { throw .topicNotFound(topic) }
        return address
    }
}

/// Says which clusters there are.
func unknownCluster(_ name: String, _ info: ClusterInfo) -> ClientError {
    let known = info.clusterAddrTable.keys.sorted().joined(separator: ", ")
    return .invalid("the cluster \(name) does not exist; known are: \(known.isEmpty ? "none" : known)")
}

extension BrokerData {
    /// The master's address, or that of the slave with the lowest id.
    var anyAddress: String? { brokerAddrs.min { $0.key < $1.key }?.value }
}
