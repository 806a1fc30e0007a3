import MQBase
import MQObserve
import MQSystem

/// Tells every two seconds how far a long step of the start has come.
struct Progress {
    private let what: String
    private let range: Range<Int64>
    private let log: Log
    private let stepsPerLook: Int
    private var reported = SystemClock.now()
    private var steps = 0

    /// - Parameters:
    ///   - end: where the step ends at the latest.
    ///   - stepsPerLook: how many calls of ``reached(_:)`` to one look at the clock.
    init(
        _ what: String, from start: PhysicalOffset, to end: PhysicalOffset, stepsPerLook: Int = 256, _ log: Log
    ) {
        self.what = what
        self.stepsPerLook = stepsPerLook
        self.log = log
        range = start.rawValue..<max(start.rawValue, end.rawValue)
    }

    /// The step has come to `offset`.
    mutating func reached(_ offset: PhysicalOffset) {
        steps += 1
        guard steps % stepsPerLook == 0 else { return }
        let now = SystemClock.now()
        guard now.milliseconds(since: reported) > 2000 else { return }
        reported = now
        log.info(what, fields(offset.rawValue))
    }

    private func fields(_ offset: Int64) -> KeyValuePairs<StaticString, String> {
        let done = offset - range.lowerBound
        let percent = range.isEmpty ? 100 : done * 100 / Int64(range.count)
        return ["offset": String(offset), "end": String(range.upperBound), "percent": String(percent)]
    }
}
