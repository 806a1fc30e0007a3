import MQConfig
public import MQStore

/// What a broker does with messages that have a time of delivery.
public struct TimerSettings: Equatable, Sendable {
    /// `timerWheelEnable`.
    public var isEnabled: Bool
    /// `timerPrecisionMs`, `timerRollWindowSlot`.
    public var times: TimerTimes
    /// `timerMaxDelaySec`, milliseconds. Live.
    public var delayMilliseconds: Int64
    /// `timerCongestNumEachSlot`. Live.
    public var slotCountMax: Int64
    /// `recallMessageEnable`. Live.
    public var isRecallEnabled: Bool
    /// `mappedFileSizeTimerLog`, bytes.
    public var logFileByteCount: Int
    /// `timerFlushIntervalMs`.
    public var syncMilliseconds: Int64

    init(_ values: ConfigValues) {
        isEnabled = values[TimerKeys.timerWheelEnable]
        times = TimerTimes(
            precision: values[TimerKeys.timerPrecisionMs].milliseconds,
            rollWindow: values[TimerKeys.timerRollWindowSlot])
        delayMilliseconds = values[TimerKeys.timerMaxDelaySec].milliseconds
        slotCountMax = Int64(values[TimerKeys.timerCongestNumEachSlot])
        isRecallEnabled = values[TimerKeys.recallMessageEnable]
        logFileByteCount = values[TimerKeys.mappedFileSizeTimerLog]
        syncMilliseconds = values[TimerKeys.timerFlushIntervalMs].milliseconds
    }
}
