/// Keys of `broker.conf` about lite message queues.
///
/// Source: `MessageStoreConfig.java`, RocketMQ 5.3.
public enum LiteQueueKeys {
    /// Whether `%LMQ%` queues are served.
    public static let enableLmq = ConfigKey<Bool>.flag(
        "enableLmq", default: false,
        "Serves lite message queues: %LMQ% names need no topic, and offsets are kept in lmqConsumerOffset.json.")
    /// Whether messages go to the queues that `INNER_MULTI_DISPATCH` names.
    public static let enableMultiDispatch = ConfigKey<Bool>.flag(
        "enableMultiDispatch", default: false,
        "Puts messages into the lite message queues that their property INNER_MULTI_DISPATCH names, too.")
    /// Lite message queues a broker keeps.
    public static let maxLmqConsumeQueueNum = ConfigKey<Int>.integer(
        "maxLmqConsumeQueueNum", default: 20_000, in: 0...1_000_000, unit: "queues",
        "Lite message queues a broker keeps; a message for one more is refused, and so is a pull.")

    static let all: [ConfigDeclaration] = [
        enableLmq.declaration, enableMultiDispatch.declaration, maxLmqConsumeQueueNum.declaration,
    ]
}
