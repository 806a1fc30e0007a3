import MQBase
import MQSystem

/// `yyyy-MM-dd HH:mm:ss,SSS`, local time.
func timeText(_ milliseconds: Int64) -> String { SystemClock.localText(Timestamp(rawValue: milliseconds)) }

/// `yyyy-MM-dd HH:mm:ss`, local time.
func secondsText(_ milliseconds: Int64) -> String { String(timeText(milliseconds).dropLast(4)) }
