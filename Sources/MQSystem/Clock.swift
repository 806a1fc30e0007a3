import Glibc
public import MQBase

/// The machine's clocks. Read once per wake-up, not once per message (25 ns a read).
public enum SystemClock {
    /// The monotonic clock.
    public static func now() -> Instant {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)  // SAFETY: writes one timespec on this stack
        return Instant(nanoseconds: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec))
    }

    /// The wall clock in milliseconds.
    public static func wall() -> Timestamp {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)  // SAFETY: writes one timespec on this stack
        return Timestamp(rawValue: Int64(time.tv_sec) &* 1000 &+ Int64(time.tv_nsec) / 1_000_000)
    }

    /// A moment of local time, taken apart.
    public struct LocalTime: Equatable, Sendable {
        public var year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int, millisecond: Int
    }

    /// `timestamp` in this machine's time zone.
    public static func local(_ timestamp: Timestamp) -> LocalTime {
        var seconds = time_t(timestamp.rawValue / 1000)
        var parts = unsafe tm()
        unsafe localtime_r(&seconds, &parts)  // SAFETY: writes one tm on this stack
        return unsafe LocalTime(
            year: Int(parts.tm_year) + 1900, month: Int(parts.tm_mon) + 1, day: Int(parts.tm_mday),
            hour: Int(parts.tm_hour), minute: Int(parts.tm_min), second: Int(parts.tm_sec),
            millisecond: Int(timestamp.rawValue % 1000))
    }

    /// `yyyy-MM-dd HH:mm:ss,SSS` in local time, as RocketMQ prints times.
    public static func localText(_ timestamp: Timestamp) -> String {
        let time = local(timestamp)
        func pad(_ number: Int, _ width: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        return "\(pad(time.year, 4))-\(pad(time.month, 2))-\(pad(time.day, 2)) "
            + "\(pad(time.hour, 2)):\(pad(time.minute, 2)):\(pad(time.second, 2)),\(pad(time.millisecond, 3))"
    }

    /// When the month of `milliseconds` began and when it ends, in local time; for ids that count
    /// from there. An hour off after a change of summer time, which ids do not mind.
    @Sendable public static func monthBounds(_ milliseconds: Int64) -> (start: Int64, end: Int64) {
        let time = local(Timestamp(rawValue: milliseconds))
        let seconds = ((time.day - 1) * 24 + time.hour) * 3600 + time.minute * 60 + time.second
        let start = milliseconds - Int64(seconds) * 1000 - Int64(time.millisecond)
        let days = [
            31, time.year % 4 == 0 && (time.year % 100 != 0 || time.year % 400 == 0) ? 29 : 28, 31, 30, 31, 30, 31, 31,
            30, 31, 30, 31,
        ][time.month - 1]
        return (start, start + Int64(days) * 86_400_000)
    }

    /// Blocks the calling thread. Never on an I/O loop.
    public static func sleep(milliseconds: Int) {
        var time = timespec(tv_sec: milliseconds / 1000, tv_nsec: (milliseconds % 1000) * 1_000_000)
        // SAFETY: reads one timespec on this stack; a signal ends the wait early, which is fine.
        unsafe nanosleep(&time, nil)
    }
}
