import MQProtocol

/// Topics that a broker makes for itself.
///
/// Source: `TopicConfigManager.java` `init`, `TopicValidator.java`, RocketMQ 5.3.
public enum SystemTopics {
    /// The pattern of automatic topics.
    public static let autoCreateKey = "TBW102"
    /// Messages that wait for their time, one queue for each delay level.
    public static let schedule = "SCHEDULE_TOPIC_XXXX"
    /// Prepared messages of transactions.
    public static let transactionHalf = "RMQ_SYS_TRANS_HALF_TOPIC"
    /// What was decided about prepared messages.
    public static let transactionOperation = "RMQ_SYS_TRANS_OP_HALF_TOPIC"
    /// Prepared messages that were never decided.
    public static let transactionCheckMax = "TRANS_CHECK_MAX_TIME_TOPIC"
    static let selfTest = "SELF_TEST_TOPIC"
    static let benchmark = "BenchmarkTest"
    static let trace = "RMQ_SYS_TRACE_TOPIC"
    static let offsetMoved = "OFFSET_MOVED_EVENT"
    /// Where RocketMQ with RocksDB notes progress: nobody's own topic.
    static let checkpoint = "CHECKPOINT_TOPIC"
    static let prefix = "rmq_sys_"

    private static let names: Set<String> = [
        autoCreateKey, schedule, benchmark, transactionHalf, trace, transactionOperation, transactionCheckMax, selfTest,
        offsetMoved, checkpoint,
    ]

    /// Topics that clients may not send to. Source: `TopicValidator.java` `NOT_ALLOWED_SEND_TOPIC_SET`.
    public static let notSendable: Set<String> = [
        schedule, transactionHalf, transactionOperation, transactionCheckMax, selfTest, offsetMoved,
    ]

    /// Whether `topic` is the broker's own at any broker; see ``TopicTable/isSystem(_:)`` for one broker's.
    public static func contains(_ topic: String) -> Bool { names.contains(topic) || topic.hasPrefix(prefix) }

    /// The names every broker treats as its own.
    static var fixed: Set<String> { names }

    /// The topics that a broker of this configuration makes at start.
    static func atStart(_ config: BrokerConfig) -> [TopicConfig] {
        func topic(_ name: String, _ queues: Int, _ perm: TopicPermission = [.read, .write]) -> TopicConfig {
            TopicConfig(topicName: name, readQueueNums: queues, writeQueueNums: queues, perm: perm)
        }
        let all: TopicPermission = [.inherit, .read, .write]
        let settings = config.topics
        let cluster = config.identity.clusterName
        let broker = config.identity.brokerName
        var topics = [topic(selfTest, 1)]
        if settings.autoCreateTopicEnable { topics.append(topic(autoCreateKey, settings.defaultTopicQueueNums, all)) }
        topics += [
            topic(benchmark, 1024), topic(cluster, 16, settings.clusterTopicEnable ? all : .inherit),
            topic(broker, 1, settings.brokerTopicEnable ? all : .inherit), topic(offsetMoved, 1),
            topic(schedule, settings.delayLevelCount),
        ]
        if settings.traceTopicEnable { topics.append(topic(settings.traceTopicName, 1)) }
        topics += [
            topic(cluster + "_REPLY_TOPIC", 1), topic(prefix + "REVIVE_LOG_" + cluster, settings.reviveQueueCount),
            topic(prefix + "SYNC_BROKER_MEMBER_" + broker, 1, .inherit), topic(transactionHalf, 1),
            topic(transactionOperation, 1),
        ]
        topics.append(topic(prefix + "wheel_timer", 1))
        return topics
    }
}
