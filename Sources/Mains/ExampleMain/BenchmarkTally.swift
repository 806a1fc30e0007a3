import MQBase
import MQObserve
import MQSystem

/// What one interval brought.
struct BenchmarkTally {
    var done = 0
    var sendFailed = 0
    var responseFailed = 0
    var times = Histogram()
    /// From the broker's storing to here, for consumers.
    var storeTimes = Histogram()
    /// What brokers asked of transactions: all, what was decided already, what was asked twice.
    var checks = 0
    var unexpectedChecks = 0
    var duplicateChecks = 0

    mutating func add(_ samples: BenchmarkSamples) {
        done += samples.done
        sendFailed += samples.sendFailed
        responseFailed += samples.responseFailed
        for time in samples.times { times.record(time) }
    }

    mutating func add(_ other: BenchmarkTally) {
        done += other.done
        sendFailed += other.sendFailed
        responseFailed += other.responseFailed
        times.merge(other.times)
        storeTimes.merge(other.storeTimes)
        checks += other.checks
        unexpectedChecks += other.unexpectedChecks
        duplicateChecks += other.duplicateChecks
    }
}

/// What one task saw since it told last: a histogram for each task would cost more than the sends.
struct BenchmarkSamples {
    static let max = 128
    var done = 0
    var sendFailed = 0
    var responseFailed = 0
    var times: [UInt64] = []

    init() { times.reserveCapacity(Self.max) }

    mutating func removeAll() {
        (done, sendFailed, responseFailed) = (0, 0, 0)
        times.removeAll(keepingCapacity: true)
    }
}

/// Counts what a load program does and prints a line about it now and then: RocketMQ's, with percentiles behind.
final class BenchmarkReport: Sendable {
    /// Which program's lines.
    enum Kind: Equatable, Sendable {
        case send, consume, transactions, timedSend, timedConsume
        case batches(of: Int)
    }

    private struct State {
        var interval = BenchmarkTally()
        var total = BenchmarkTally()
        var reportedAt: Instant
    }

    private let kind: Kind
    private let begun = SystemClock.now()
    private let state: Lock<State>

    init(_ kind: Kind) {
        self.kind = kind
        state = Lock(State(reportedAt: begun))
    }

    /// Adds to what the interval brought.
    func count(_ change: (inout BenchmarkTally) -> Void) { state.withLock { change(&$0.interval) } }

    /// Prints a line each `milliseconds`, until it is cancelled.
    func lines(every milliseconds: Int) -> Task<Void, Never> {
        Task { while await pauseFor(milliseconds: milliseconds) { say() } }
    }

    /// Prints the interval's line.
    func say() {
        let (interval, seconds) = take()
        ThisProcess.say(time + line(interval, seconds))
    }

    /// What stands before an interval's line.
    private var time: String {
        isTimed ? "" : "Current Time: \(SystemClock.localText(SystemClock.wall())) | "
    }

    private var isTimed: Bool { kind == .timedSend || kind == .timedConsume }

    /// Prints what is left of the interval, and the line of everything.
    func sayAll() {
        let (interval, seconds) = take()
        if interval.done > 0 { ThisProcess.say(time + line(interval, seconds)) }
        let total = state.withLock { $0.total }
        let all = Double(SystemClock.now().nanoseconds - begun.nanoseconds) / 1e9
        let what = kind == .consume || kind == .timedConsume ? "Consume" : "Send"
        ThisProcess.say("[Complete] \(what) Total: \(total.done) | " + line(total, all))
    }

    private func take() -> (BenchmarkTally, seconds: Double) {
        let now = SystemClock.now()
        return state.withLock { state in
            let interval = state.interval
            let seconds = Double(now.nanoseconds - state.reportedAt.nanoseconds) / 1e9
            state.total.add(interval)
            state.interval = BenchmarkTally()
            state.reportedAt = now
            return (interval, seconds)
        }
    }

    private func line(_ tally: BenchmarkTally, _ seconds: Double) -> String {
        let times = tally.times
        let rate = Int(Double(tally.done) / max(seconds, 1e-9))
        let slowest = times.max / 1_000_000
        let text =
            switch kind {
            case .send:
                "Send TPS: \(rate) | Max RT(ms): \(slowest) | Average RT(ms): \(fixed(times.mean / 1e6)) | "
                    + "Send Failed: \(tally.sendFailed) | Response Failed: \(tally.responseFailed)"
            case .consume:
                "Consume TPS: \(rate) | AVG(B2C) RT(ms): \(fixed(times.mean / 1e6)) | "
                    + "AVG(S2C) RT(ms): \(fixed(tally.storeTimes.mean / 1e6)) | MAX(B2C) RT(ms): \(slowest) | "
                    + "MAX(S2C) RT(ms): \(tally.storeTimes.max / 1_000_000) | Consume Fail: \(tally.responseFailed)"
            case .batches(let size):
                "Send TPS: \(rate) | Send MPS: \(rate * size) | Max RT(ms): \(slowest) | "
                    + "Average RT(ms): \(fixed(times.mean / 1e6)) | "
                    + "Average Message RT(ms): \(fixed(times.mean / 1e6 / Double(size))) | "
                    + "Send Failed: \(tally.sendFailed) | Send Message Failed: \(tally.sendFailed * size)"
            case .transactions:
                "Send TPS: \(padded(String(rate), 5)) | Max RT(ms): \(padded(String(slowest), 5)) | "
                    + "AVG RT(ms): \(fixed(times.mean / 1e6, width: 3, places: 1)) | "
                    + "Send Failed: \(tally.sendFailed) | Check: \(tally.checks) | "
                    + "UnexpectedCheck: \(tally.unexpectedChecks) | DuplicatedCheck: \(tally.duplicateChecks)"
            case .timedSend:
                "Send TPS: \(rate), Max RT: \(slowest), Average RT: \(fixed(times.mean / 1e6)), "
                    + "Send Failed: \(tally.sendFailed), Response Failed: \(tally.responseFailed)"
            case .timedConsume:
                "Consume TPS: \(rate), Avg delayedDuration: \(fixed(times.mean / 1e6)), "
                    + "Max delayedDuration: \(slowest), " + delays(times)
            }
        if kind == .timedConsume { return text }
        let percentiles = [("p50", 50.0), ("p99", 99), ("p99.9", 99.9)].map { name, percent in
            " | \(name)(ms): \(fixed(Double(times.percentile(percent)) / 1e6))"
        }
        return text + percentiles.joined()
    }
}

/// Percentiles as the timer's consumer tells them, milliseconds.
private func delays(_ times: Histogram) -> String {
    func at(_ percent: Double) -> UInt64 { times.percentile(percent) / 1_000_000 }
    return "delayDuration %25: \(at(25)), %50: \(at(50)); %80: \(at(80)); %90: \(at(90)); %99: \(at(99)); "
        + "%99.9: \(at(99.9))"
}

/// `%7.3f`, or of another width and precision.
private func fixed(_ value: Double, width: Int = 7, places: Int = 3) -> String {
    let scale = places == 1 ? 10 : 1000
    let number = Int((value * Double(scale)).rounded())
    let fraction = String(number % scale)
    return padded(
        "\(number / scale)." + String(repeating: "0", count: places - fraction.count) + fraction, width)
}

private func padded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
}

/// Waits; `false` if the task was cancelled meanwhile.
func pauseFor(milliseconds: Int) async -> Bool {
    do {
        try await Task.sleep(for: .milliseconds(milliseconds))
        return true
    } catch {
        return false
    }
}
