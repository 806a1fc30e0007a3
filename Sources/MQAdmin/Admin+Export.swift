public import MQJSON
import MQProtocol
public import RocketMQClient

/// What is known of a cluster, to be kept in files. Source of names: `ExportConfigsCommand.java`,
/// `ExportMetadataCommand.java`, `ExportMetricsCommand.java`, RocketMQ 5.3.
extension Admin {
    private static let exportedKeys = [
        "brokerClusterName", "brokerId", "brokerName", "brokerRole", "fileReservedTime", "filterServerNums",
        "flushDiskType", "maxMessageSize", "messageDelayLevel", "msgTraceTopicName", "slaveReadEnable", "traceOn",
        "traceTopicEnable", "useTLS", "autoCreateTopicEnable", "autoCreateSubscriptionGroup",
    ]

    /// The settings of a cluster's masters that tell clusters apart.
    public func exportedConfigs(ofCluster cluster: String) async throws(ClientError) -> JSON {
        var configs: [(String, JSON)] = []
        var slaveCount = 0
        for broker in try await brokers(ofCluster: cluster) {
            guard let master = broker.brokerAddrs[0] else { continue }
            slaveCount += broker.brokerAddrs.count - 1
            let entries = try await configuration(at: master).filter { Self.exportedKeys.contains($0.key) }
            configs.append((broker.brokerName, .members(entries.map { ($0.key, .string($0.value)) })))
        }
        return [
            "brokerConfigs": .members(configs),
            "clusterScale": [
                "namesrvSize": JSON(link.options.nameServers.count), "masterBrokerSize": JSON(configs.count),
                "slaveBrokerSize": JSON(slaveCount),
            ],
        ]
    }

    /// Topics that people made at the broker at `address`, by name.
    /// - Parameter withSpecial: those of retries and dead letters too.
    func userTopics(at address: String, withSpecial: Bool) async throws(ClientError) -> TopicConfigSerializeWrapper {
        var table = try await topicConfigs(at: address)
        let system = Set(try await systemTopics(at: address))
        table.topicConfigTable = table.topicConfigTable.filter { name, _ in
            guard !system.contains(name), !name.hasPrefix("rmq_sys_") else { return false }
            return withSpecial || !name.hasPrefix(Self.retryPrefix) && !name.hasPrefix(Self.deadLetterPrefix)
        }
        return table
    }

    /// Groups that people made at the broker at `address`, by name.
    func userGroups(at address: String) async throws(ClientError) -> SubscriptionGroupWrapper {
        var table = try await groups(at: address)
        table.subscriptionGroupTable = table.subscriptionGroupTable.filter { name, _ in
            !name.hasPrefix("CID_RMQ_SYS_") && !Self.systemGroups.contains(name)
        }
        return table
    }

    private static let systemGroups: Set<String> = [
        "TOOLS_CONSUMER", "FILTERSRV_CONSUMER", "SELF_TEST_C_GROUP", "CID_ONS-HTTP-PROXY", "CID_ONSAPI_PULL",
        "CID_ONSAPI_PERMISSION", "CID_ONSAPI_OWNER",
    ]

    /// Topics and groups of a cluster; queue counts are those of all its masters together.
    func exportedMetadata(
        ofCluster cluster: String, withSpecial: Bool
    ) async throws(ClientError) -> (topics: JSON, groups: JSON) {
        var topics: [String: TopicConfig] = [:]
        var groups: [String: SubscriptionGroupConfig] = [:]
        for address in try await masters(ofCluster: cluster) {
            let table = try await userTopics(at: address, withSpecial: withSpecial).topicConfigTable
            topics.merge(table) { old, new in
                var both = new
                both.readQueueNums = both.readQueueNums.plus(old.readQueueNums)
                both.writeQueueNums = both.writeQueueNums.plus(old.writeQueueNums)
                return both
            }
            groups.merge(try await userGroups(at: address).subscriptionGroupTable) { old, new in
                var both = new
                both.retryQueueNums = both.retryQueueNums.plus(old.retryQueueNums)
                return both
            }
        }
        return (
            .members(topics.sorted { $0.key < $1.key }.map { ($0.key, $0.value.json) }),
            .members(groups.sorted { $0.key < $1.key }.map { ($0.key, $0.value.json) })
        )
    }

    /// What came in and went out at one master, or at all: now, and yesterday.
    private struct Traffic {
        var rates = [0.0, 0, 0, 0]
        var sums: [Int64] = [0, 0, 0, 0]

        mutating func add(_ other: Traffic) {
            for index in 0..<4 {
                rates[index] += other.rates[index]
                sums[index] = sums[index].plus(other.sums[index])
            }
        }
    }

    /// Rates, sums and versions of a cluster's masters.
    public func exportedMetrics(ofCluster cluster: String) async throws(ClientError) -> JSON {
        var report: [(String, JSON)] = []
        var total = Traffic()
        for broker in try await brokers(ofCluster: cluster) {
            guard let address = broker.brokerAddrs[0] else { continue }
            let figures = try await runtimeInfo(at: address)
            let traffic = try await traffic(figures, at: address)
            total.add(traffic)
            report.append((broker.brokerName, try await exported(figures, traffic, at: address)))
        }
        let names = ["totalNormalInTps", "totalNormalOutTps", "totalTransInTps", "totalScheduleInTps"]
        return [
            "evaluateReport": .members(report),
            "totalData": [
                "totalTps": Self.named(names, total.rates), "totalOneDayNum": Self.named(Self.dayNames, total.sums),
            ],
        ]
    }

    private func traffic(_ figures: [String: String], at address: String) async throws(ClientError) -> Traffic {
        let half = try await statsData("TOPIC_PUT_NUMS", key: "RMQ_SYS_TRANS_HALF_TOPIC", at: address)
        let delayed = try await statsData("TOPIC_PUT_NUMS", key: "SCHEDULE_TOPIC_XXXX", at: address)
        func yesterday(_ name: String) -> Int64 {
            let (to, from) = (figures["\(name)TodayMorning"], figures["\(name)YesterdayMorning"])
            return (to.flatMap { Int64($0) } ?? 0).minus(from.flatMap { Int64($0) } ?? 0)
        }
        return Traffic(
            rates: [
                firstNumber(figures["putTps"]), firstNumber(figures["getTransferredTps"]), half?.minute.tps ?? 0,
                delayed?.minute.tps ?? 0,
            ],
            sums: [
                yesterday("msgPutTotal"), yesterday("msgGetTotal"), half?.daySum ?? 0, delayed?.daySum ?? 0,
            ])
    }

    private func exported(
        _ figures: [String: String], _ traffic: Traffic, at address: String
    ) async throws(ClientError) -> JSON {
        let groups = try await userGroups(at: address).subscriptionGroupTable.keys.sorted()
        let topicCount = try await userTopics(at: address, withSpecial: false).topicConfigTable.count
        let rateNames = ["normalInTps", "normalOutTps", "transInTps", "scheduleInTps"]
        let quota: JSON = [
            "diskRatio": [
                "commitLogDiskRatio": JSON(figures["commitLogDiskRatio"]),
                "consumeQueueDiskRatio": JSON(figures["consumeQueueDiskRatio"]),
            ],
            "tps": Self.named(rateNames, traffic.rates), "oneDayNum": Self.named(Self.dayNames, traffic.sums),
            "messageAverageSize": JSON(figures["putMessageAverageSize"]), "topicSize": JSON(topicCount),
            "groupSize": JSON(groups.count),
        ]
        // Java takes the broker's processors from the key whose default is their number.
        let processors = try await configuration(at: address).first { $0.key == "clientCallbackExecutorThreads" }
        return [
            "runtimeEnv": ["cpuNum": JSON(processors?.value)], "runtimeQuota": quota,
            "runtimeVersion": [
                "rocketmqVersion": JSON(figures["brokerVersionDesc"]),
                "clientInfo": JSON(try await clientVersions(of: groups, at: address)),
            ],
        ]
    }

    private static let dayNames = [
        "normalOneDayInNum", "normalOneDayOutNum", "transOneDayInNum", "scheduleOneDayInNum",
    ]

    private static func named(_ names: [String], _ values: [Double]) -> JSON {
        .members(zip(names, values).map { ($0, .number($1)) })
    }

    private static func named(_ names: [String], _ values: [Int64]) -> JSON {
        .members(zip(names, values).map { ($0, .integer($1)) })
    }

    /// `JAVA%V5_3_3`, … of the groups' members.
    private func clientVersions(of groups: [String], at address: String) async throws(ClientError) -> [String] {
        var versions = Set<String>()
        for group in groups {
            do throws(ClientError) {
                for connection in try await consumers(of: group, at: address).connectionSet {
                    versions.insert(
                        "\(connection.language)%\(ProtocolVersion.text(Int32(clamping: connection.version)))")
                }
            } catch {
                guard case .refused = error else { throw error }  // refused: nobody is there
            }
        }
        return versions.sorted()
    }
}
