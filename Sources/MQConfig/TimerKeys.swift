/// Keys of `broker.conf` about messages with a time of delivery.
///
/// Source: `MessageStoreConfig.java`, `BrokerConfig.java`, RocketMQ 5.3.
public enum TimerKeys {
    /// Whether there are such messages.
    public static let timerWheelEnable = ConfigKey<Bool>.flag(
        "timerWheelEnable", default: true, "Whether messages with a time of delivery (TIMER_*) are taken and delivered."
    )
    /// How long a slot lasts.
    public static let timerPrecisionMs = ConfigKey<Duration>.milliseconds(
        "timerPrecisionMs", default: 1000, in: 100...60_000,
        "A message is delivered up to so much after its time, and never before.")
    /// How far ahead a message is put in at once.
    public static let timerRollWindowSlot = ConfigKey<Int>.integer(
        "timerRollWindowSlot", default: 172_800, in: 0...2_147_483_647, unit: "slots",
        "A message that is further away is stored again on its way; out of 2...604740 it counts as 604740.")
    /// The longest delay.
    public static let timerMaxDelaySec = ConfigKey<Duration>.seconds(
        "timerMaxDelaySec", default: 259_200, in: 0...2_147_483_647,
        "A message whose time is further away is refused."
    ).live
    /// Messages of a second.
    public static let timerCongestNumEachSlot = ConfigKey<Int>.integer(
        "timerCongestNumEachSlot", default: 2_147_483_647, in: 1...2_147_483_647,
        "From so many messages in one slot on more are refused at random, from twice as many on all."
    ).live
    /// How often progress is made durable.
    public static let timerFlushIntervalMs = ConfigKey<Duration>.milliseconds(
        "timerFlushIntervalMs", default: 1000, in: 10...600_000,
        "Time between two syncs of timer log, wheel and checkpoint while messages come and go.")
    /// Size of a file of the timer log.
    public static let mappedFileSizeTimerLog = ConfigKey<Int>.integer(
        "mappedFileSizeTimerLog", default: 104_857_600, in: 4096...1_073_741_824, unit: "bytes",
        "Size of a file of the timer log.")
    /// Whether messages can be taken back.
    public static let recallMessageEnable = ConfigKey<Bool>.flag(
        "recallMessageEnable", default: false,
        "Whether messages with a time of delivery can be taken back (RECALL_MESSAGE)."
    ).live

    /// Those of `MessageStoreConfig`.
    static let store: [ConfigDeclaration] = [
        timerWheelEnable.declaration, timerPrecisionMs.declaration, timerRollWindowSlot.declaration,
        timerMaxDelaySec.declaration, timerCongestNumEachSlot.declaration, timerFlushIntervalMs.declaration,
        mappedFileSizeTimerLog.declaration,
    ]
    /// Those of `BrokerConfig`.
    static let broker: [ConfigDeclaration] = [recallMessageEnable.declaration]
}
