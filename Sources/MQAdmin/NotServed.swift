/// RocketMQ's commands for modes that this release does not have: listed, and answered with one sentence.
struct NotServed: Sendable {
    let name: String
    let summary: String
    /// The mode they belong to, for "this release has no …".
    let mode: String

    static let all: [NotServed] =
        of(
            "static topics", ("updateStaticTopic", "Update or create static topic, which has fixed number of queues."),
            ("remappingStaticTopic", "Remapping static topic."))
        + of(
            "controller", ("cleanBrokerMetadata", "Clean metadata of broker on controller."),
            ("electMaster", "Re-elect the specified broker as master."),
            ("getBrokerEpoch", "Fetch broker epoch entries."), ("getControllerConfig", "Get controller config."),
            ("getControllerMetaData", "Get controller cluster's metadata."),
            ("getSyncStateSet", "Fetch syncStateSet for target brokers."),
            ("updateControllerConfig", "Update controller config."))
        + of(
            "broker container", ("addBroker", "Add a broker to specified container."),
            ("removeBroker", "Remove a broker from specified container."))
        + of(
            "access control", ("copyAcl", "Copy acl to cluster."), ("copyUser", "Copy user to cluster."),
            ("createAcl", "Create acl to cluster."), ("createUser", "Create user to cluster."),
            ("deleteAcl", "Delete acl from cluster."), ("deleteUser", "Delete user from cluster."),
            ("getAcl", "Get acl from cluster."), ("getUser", "Get user from cluster."),
            ("listAcl", "List acl from cluster."), ("listUser", "List user from cluster."),
            ("updateAcl", "Update acl to cluster."), ("updateUser", "Update user to cluster."))
        + of("RocksDB", ("exportMetadataInRocksDB", "Export RocksDB kv config (topics/subscriptionGroups)."))

    private static func of(_ mode: String, _ commands: (name: String, summary: String)...) -> [NotServed] {
        commands.map { NotServed(name: $0.name, summary: $0.summary, mode: mode) }
    }

    /// What the command is answered.
    var sentence: String { "mqadmin \(name): this release has no \(mode); nothing was done" }
}
