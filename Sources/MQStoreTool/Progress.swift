import MQBase
import MQSystem

/// One line on standard error that tells how far long work is: percent, rate, time left. Nothing unless standard error
/// is a terminal. One owner.
final class Progress {
    private let label: String
    private let total: Int
    private let isShown: Bool
    private let write: (String) -> Void
    private let start: Instant
    private var drawn: Instant
    private var isDrawn = false
    private var done = 0

    /// - Parameter total: bytes of all the work.
    init(
        _ label: String, total: Int, isShown: Bool = ThisProcess.hasTerminal, now: Instant = SystemClock.now(),
        write: @escaping (String) -> Void = { ThisProcess.putError($0) }
    ) {
        self.label = label
        self.total = total
        self.isShown = isShown
        self.write = write
        start = now
        drawn = now
    }

    /// Says that `byteCount` more bytes are done. Cheap enough for every few MiB.
    func advance(_ byteCount: Int, now: Instant? = nil) {
        done += byteCount
        guard isShown else { return }
        let now = now ?? SystemClock.now()
        guard now.milliseconds(since: drawn) >= 200 else { return }
        drawn = now
        isDrawn = true
        write("\r\u{1B}[K" + text(now))
    }

    /// `verify 43 % 812 MB/s 0:12 left`.
    func text(_ now: Instant) -> String {
        let milliseconds = max(1, Int(now.milliseconds(since: start)))
        let percent = total > 0 ? min(100, Int(Double(done) / Double(total) * 100)) : 100
        let rate = Double(done) / Double(milliseconds)  // bytes a millisecond: thousands a second
        let left = rate > 0 ? Int(Double(max(0, total - done)) / rate / 1000) : 0
        let seconds = left % 60
        return "\(label) \(percent) % \(Int(rate / 1000)) MB/s \(left / 60):\(seconds < 10 ? "0" : "")\(seconds) left"
    }

    /// Takes the line away.
    func clear() {
        guard isDrawn else { return }
        isDrawn = false
        write("\r\u{1B}[K")
    }
}
