/// Names inside of a namespace: `ns%topic`, `%RETRY%ns%group`, `%DLQ%ns%group`. What belongs to the system stays as it is.
///
/// Source: `NamespaceUtil.java`, RocketMQ 5.3.
struct Namespace: Equatable, Sendable {
    /// `nil`: none, names are what they are.
    let name: String?

    init(_ name: String?) { self.name = name.flatMap { $0.isEmpty ? nil : $0 } }

    private static let prefixes = ["%RETRY%", "%DLQ%"]
    private static let systemTopics: Set<String> = [
        "TBW102", "SCHEDULE_TOPIC_XXXX", "BenchmarkTest", "OFFSET_MOVED_EVENT", "SELF_TEST_TOPIC",
    ]
    private static let systemGroups: Set<String> = [
        "DEFAULT_CONSUMER", "DEFAULT_PRODUCER", "TOOLS_CONSUMER", "FILTERSRV_CONSUMER", "SELF_TEST_P_GROUP",
        "SELF_TEST_C_GROUP", "__MONITOR_CONSUMER", "CLIENT_INNER_PRODUCER", "CID_ONSAPI_OWNER",
        "CID_ONSAPI_PERMISSION", "CID_ONSAPI_PULL",
    ]

    private static func isOfSystem(_ resource: String) -> Bool {
        resource.hasPrefix("rmq_sys_") || resource.hasPrefix("RMQ_SYS_") || resource.hasPrefix("CID_RMQ_SYS_")
            || systemTopics.contains(resource) || systemGroups.contains(resource)
    }

    /// The name as brokers know it. A name that is inside already is not wrapped again.
    func wrap(_ resource: String) -> String {
        guard let name, !Self.isOfSystem(resource) else { return resource }
        let prefix = Self.prefixes.first { resource.hasPrefix($0) } ?? ""
        let rest = resource.dropFirst(prefix.count)
        if Self.isOfSystem(String(rest)) || rest.hasPrefix(name + "%") { return resource }
        return "\(prefix)\(name)%\(rest)"
    }

    /// The name as the application knows it.
    func unwrap(_ resource: String) -> String {
        guard let name else { return resource }
        let prefix = Self.prefixes.first { resource.hasPrefix($0) } ?? ""
        let rest = resource.dropFirst(prefix.count)
        return rest.hasPrefix(name + "%") ? prefix + rest.dropFirst(name.count + 1) : resource
    }
}
