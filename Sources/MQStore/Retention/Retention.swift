import MQBase
import MQObserve
import MQSystem

/// When the ``RetentionWorker`` works: body of the `clean` thread.
final class Retention: Sendable {
    private struct Orders {
        var isManual = false
        var isStopping = false
    }

    private let orders = Monitor(Orders())

    /// Runs until ``stop()``.
    /// - Parameters:
    ///   - parts: what it works on.
    ///   - settings: asked before each round.
    func run(_ parts: RetentionWorker.Parts, settings: () -> RetentionSettings) {
        var worker = RetentionWorker(parts)
        while let isManual = wait(settings().intervalMilliseconds) {
            if isManual { worker.deleteManually() }
            worker.round(settings(), time: SystemClock.wall(), now: SystemClock.now()) { milliseconds in
                orders.wait(milliseconds: milliseconds) { $0.isStopping ? false : nil } ?? true
            }
        }
    }

    /// Waits until it is time or somebody orders; whether somebody did. `nil`: stop.
    private func wait(_ milliseconds: Int64) -> Bool? {
        let order: Bool?? = orders.wait(milliseconds: milliseconds) { orders in
            if orders.isStopping { return .some(nil) }
            guard orders.isManual else { return nil }
            orders.isManual = false
            return .some(true)
        }
        return order ?? false
    }

    /// Deletes expired files at once and whatever the hour, and for a while after. Any thread.
    func deleteManually() {
        orders.signal { orders in
            orders.isManual = true
            return true
        }
    }

    /// Ends ``run(_:settings:)`` after the step it is at.
    func stop() {
        orders.signal { orders in
            orders.isStopping = true
            return true
        }
    }
}
