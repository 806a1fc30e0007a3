import MQBase
import MQSystem
import RocketMQClient

/// `yyyy-MM-dd HH:mm:ss,SSS`, local time.
func timeText(_ milliseconds: Int64) -> String { SystemClock.localText(Timestamp(rawValue: milliseconds)) }

/// `yyyy-MM-dd HH:mm:ss`, local time.
func secondsText(_ milliseconds: Int64) -> String { String(timeText(milliseconds).dropLast(4)) }

/// A moment as options spell it: `now`, milliseconds since 1970, or local time as `yyyy-MM-dd#HH:mm:ss:SSS`.
/// - Returns: milliseconds since 1970.
/// - Throws: `invalid` if it is none of these.
func moment(_ text: String, now: Int64 = SystemClock.wall().rawValue) throws(ClientError) -> Int64 {
    if text == "now" { return now }
    if let milliseconds = Int64(text) { return milliseconds }
    let numbers = text.split(omittingEmptySubsequences: false) { "-#:".contains($0) }.map { Int64($0) }
    let ranges: [ClosedRange<Int64>] = [1970...9999, 1...12, 1...31, 0...23, 0...59, 0...59, 0...999]
    let separators = text.filter { "-#:".contains($0) }
    let isTime = numbers.count == ranges.count && zip(numbers, ranges).allSatisfy { $1.contains($0 ?? -1) }
    guard isTime, separators == "--#:::" else {
        throw .invalid("\(text) is no time; expected now, milliseconds since 1970 or yyyy-MM-dd#HH:mm:ss:SSS")
    }
    let civil = civilMilliseconds(numbers.map { $0 ?? 0 })
    // The difference to UTC, looked up where the time would be, and once more beside a change of summer time.
    let first = civil - (civilMilliseconds(of: civil) - civil)
    return civil - (civilMilliseconds(of: first) - first)
}

/// Year, month, day, hour, minute, second and millisecond, counted as if they were UTC.
private func civilMilliseconds(_ parts: [Int64]) -> Int64 {
    // Days since 1970-01-01; years begin in March, so that leap days come last.
    let year = parts[1] <= 2 ? parts[0] - 1 : parts[0]
    let dayOfYear = (153 * (parts[1] + (parts[1] > 2 ? -3 : 9)) + 2) / 5 + parts[2] - 1
    let days = year * 365 + year / 4 - year / 100 + year / 400 + dayOfYear - 719_468
    return (((days * 24 + parts[3]) * 60 + parts[4]) * 60 + parts[5]) * 1000 + parts[6]
}

private func civilMilliseconds(of timestamp: Int64) -> Int64 {
    let time = SystemClock.local(Timestamp(rawValue: timestamp))
    return civilMilliseconds(
        [time.year, time.month, time.day, time.hour, time.minute, time.second, time.millisecond].map(Int64.init))
}

extension CommandArguments {
    /// The value as a moment; see ``moment(_:now:)``.
    func time(_ short: String) throws(ClientError) -> Int64? {
        guard let text = self[short] else { return nil }
        return try moment(text)
    }
}
