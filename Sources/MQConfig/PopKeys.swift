/// How clients are told to take messages of a topic.
public enum MessageRequestMode: String, ConfigChoice {
    /// They pull, and queues are shared out among them.
    case pull = "PULL"
    /// They pop.
    case pop = "POP"
}

/// Keys of `broker.conf` about pop consumption, from `BrokerConfig`.
///
/// Source: `BrokerConfig.java`, RocketMQ 5.3.
public enum PopKeys {
    /// Which retry topic is written.
    public static let enableRetryTopicV2 = ConfigKey<Bool>.flag(
        "enableRetryTopicV2", default: false,
        "Popped messages come again in %RETRY%<group>+<topic>, not in %RETRY%<group>_<topic>."
    ).live
    /// Whether the older retry topic is read.
    public static let retrieveMessageFromPopRetryTopicV1 = ConfigKey<Bool>.flag(
        "retrieveMessageFromPopRetryTopicV1", default: true,
        "With enableRetryTopicV2, pops read the older retry topic too."
    ).live
    /// How often the retry topic comes first.
    public static let popFromRetryProbability = ConfigKey<Int>.integer(
        "popFromRetryProbability", default: 20, in: 0...100, unit: "%",
        "How many of 100 pops look into the retry topic first; the others look there last."
    ).live
    /// Whether a queue's messages on their way are bounded.
    public static let enablePopMessageThreshold = ConfigKey<Bool>.flag(
        "enablePopMessageThreshold", default: false,
        "Passes by a queue of which a group has popInflightMessageThreshold messages that are not acknowledged."
    ).live
    /// The bound.
    public static let popInflightMessageThreshold = ConfigKey<Int>.integer(
        "popInflightMessageThreshold", default: 10_000, in: 1...10_000_000, unit: "messages",
        "Messages of a queue that a group may have popped and not acknowledged."
    ).live
    /// Pops that wait for one queue.
    public static let popPollingSize = ConfigKey<Int>.integer(
        "popPollingSize", default: 1024, in: 1...1_000_000, unit: "requests",
        "Pops of one group and queue that may wait for messages."
    ).live
    /// Pops that wait.
    public static let maxPopPollingSize = ConfigKey<Int>.integer(
        "maxPopPollingSize", default: 100_000, in: 1...1_000_000, unit: "requests",
        "Pops that may wait for messages."
    ).live
    /// Where a new group begins.
    public static let initPopOffsetByCheckMsgInMem = ConfigKey<Bool>.flag(
        "initPopOffsetByCheckMsgInMem", default: true,
        "A new group that asks for the newest messages begins with the first while the whole log is recent."
    ).live
    /// How messages of a retry topic are sent.
    public static let popResponseReturnActualRetryTopic = ConfigKey<Bool>.flag(
        "popResponseReturnActualRetryTopic", default: false,
        "Sends messages of a retry topic as they are stored, not under the topic that was asked for."
    ).live
    /// Numbers of revive queues.
    public static let reviveQueueNum = ConfigKey<Int>.integer(
        "reviveQueueNum", default: 8, in: 1...128, unit: "queues",
        "Queues of the revive topic, which is read if another broker left it; numbers that handles carry.")
    /// How clients take messages if nothing else is set.
    public static let defaultMessageRequestMode = ConfigKey<MessageRequestMode>.choice(
        "defaultMessageRequestMode", default: .pull,
        "How clients take messages where setConsumeMode has set nothing."
    ).live
    /// How many clients share a queue.
    public static let defaultPopShareQueueNum = ConfigKey<Int>.integer(
        "defaultPopShareQueueNum", default: -1, in: -1...100_000, unit: "clients",
        "Clients that pop the queues of another client too; -1 or 0: everybody pops every queue."
    ).live
    /// Whether QUERY_ASSIGNMENT shares out queues.
    public static let serverLoadBalancerEnable = ConfigKey<Bool>.flag(
        "serverLoadBalancerEnable", default: true,
        "Shares out queues when clients ask for their assignment; otherwise everybody gets all."
    ).live

    static let all: [ConfigDeclaration] = [
        enableRetryTopicV2.declaration, retrieveMessageFromPopRetryTopicV1.declaration,
        popFromRetryProbability.declaration, enablePopMessageThreshold.declaration,
        popInflightMessageThreshold.declaration, popPollingSize.declaration, maxPopPollingSize.declaration,
        initPopOffsetByCheckMsgInMem.declaration, popResponseReturnActualRetryTopic.declaration,
        reviveQueueNum.declaration, defaultMessageRequestMode.declaration, defaultPopShareQueueNum.declaration,
        serverLoadBalancerEnable.declaration,
    ]
}
