import MQBase
import MQBytes
import MQMessage
import MQSystem
import Synchronization

/// Reads the log behind `confirmed` and builds consume queues and index from it: body of the `dispatch` thread.
///
/// It sleeps for ever when there is nothing, and naps four milliseconds between rounds while messages flow that nobody waits
/// for, so that a producer alone does not pay for a thread switch per message. A parked pull on a queue that gets a
/// message ends the nap at once.
final class Dispatcher: Sendable {
    private enum Sleep: Int {
        case awake, napping, asleep
    }

    private struct State {
        var isWanted = false
        var isStopping = false
    }

    /// Bytes handled before units are published: bounds how long a reader waits for the first of a large batch.
    static let roundByteCountMax = 4 << 20
    /// As ``roundByteCountMax``, at the start, when nobody waits: with 10,000 queues each round writes to nearly all of them.
    private static let startRoundByteCountMax = 64 << 20
    private static let napMilliseconds: Int64 = 4
    private static let napsBeforeSleep = 8
    /// Between two tries to write on a full disk.
    private static let fullMilliseconds: Int64 = 500

    let log: CommitLog
    let queues: QueueTable
    private let index: MessageIndex?
    let delayLevels: [Int64]
    let servesLiteQueues: Bool
    private let confirmed: @Sendable () -> PhysicalOffset
    private let monitor = Monitor(State())
    private let sleep = Atomic<Int>(Sleep.awake.rawValue)
    private let lastHandled: Lock<RecoveryPoint.Record?>
    /// Everything before it is in queues and index.
    let dispatched: Watermark

    init(
        log: CommitLog, queues: QueueTable, index: MessageIndex?, delayLevels: [Int64], start: PhysicalOffset,
        last: RecoveryPoint.Record?, servesLiteQueues: Bool = false,
        confirmed: @escaping @Sendable () -> PhysicalOffset
    ) {
        self.servesLiteQueues = servesLiteQueues
        self.log = log
        self.queues = queues
        self.index = index
        self.delayLevels = delayLevels
        self.confirmed = confirmed
        dispatched = Watermark(start)
        lastHandled = Lock(last)
    }

    /// The last record whose units are published; `nil` if there was none yet.
    var lastRecord: RecoveryPoint.Record? { lastHandled.withLock { $0 } }

    /// Tells that readers may see more. Any thread; a load or two when the thread is awake.
    /// - Parameter isAwaited: somebody is parked on a queue that got a message.
    func confirmedMoved(isAwaited: Bool) {
        // The watermark before `sleep`, as the thread does in reverse.
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        switch Sleep(rawValue: sleep.load(ordering: .relaxed)) {
        case .asleep: break
        case .napping where isAwaited: break
        default: return
        }
        monitor.signal { state in
            state.isWanted = true
            return true
        }
    }

    /// Runs until ``stop()``, and to the end of what is confirmed then.
    ///
    /// A full disk does not end it: what could not be written is tried again until there is room.
    /// - Parameters:
    ///   - bitMap: what a message's extension unit notes of it; `nil` notes nothing.
    ///   - arrived: called for each queue that got units while pulls are parked on it.
    ///   - full: called with the error when there is no room, and with `nil` when there is again.
    ///   - failed: called once, with the error that ended it.
    func run(
        bitMap: BitMapMaker? = nil, arrived: (ConsumeQueue) -> Void, full: (SystemError?) -> Void,
        failed: (SystemError) -> Void
    ) {
        var worker = DispatchWorker(
            queues: queues, index: index, delayLevels: delayLevels, servesLiteQueues: servesLiteQueues)
        worker.bitMap = bitMap
        var idleRounds = 0
        var isFull = false
        while true {
            do throws(SystemError) {
                let progressed = try round(&worker, arrived)
                idleRounds = progressed ? 0 : idleRounds + 1
            } catch {
                guard error.isNoSpace else { return failed(error) }
                if !isFull { full(error) }
                isFull = true
                worker.tryAgain()
                guard waitForRoom() else { return }  // the rest is dispatched at the next start
                continue
            }
            if isFull { full(nil) }
            isFull = false
            if dispatched.value < confirmed() { continue }
            guard rest(deep: idleRounds >= Self.napsBeforeSleep) else { break }
        }
        do throws(SystemError) {
            while try round(&worker, arrived) {}
        } catch {
            if error.isNoSpace { full(error) } else { failed(error) }
        }
    }

    /// Waits before a full disk is tried again. `false`: stop.
    func waitForRoom() -> Bool {
        monitor.wait(milliseconds: Self.fullMilliseconds) { $0.isStopping ? false : nil } ?? true
    }

    /// Handles what is confirmed now; for recovery, before the thread runs.
    func catchUp(_ progress: (PhysicalOffset) -> Void) throws(SystemError) {
        var worker = DispatchWorker(
            queues: queues, index: index, delayLevels: delayLevels, servesLiteQueues: servesLiteQueues)
        while try round(&worker, byteCountMax: Self.startRoundByteCountMax, { _ in }) { progress(dispatched.value) }
    }

    /// One round: some of what is confirmed, then publish. `false` if there was nothing.
    private func round(
        _ worker: inout DispatchWorker, byteCountMax: Int = roundByteCountMax, _ arrived: (ConsumeQueue) -> Void
    ) throws(SystemError) -> Bool {
        let start = dispatched.value
        let end = confirmed()
        guard start < end else { return false }
        let stop = min(end, start + byteCountMax)
        worker.beginRound()
        var position = start
        while position < stop {
            // A bit map needs the properties, which the feed does not have.
            let isFed = worker.bitMap == nil
            if isFed { position = try worker.takeFed(log.feed, from: position, upTo: stop) }
            guard position < stop else { break }
            let fed = isFed ? worker.nextFed(log.feed, from: position) ?? end : end
            let read = try readLog(&worker, from: position, upTo: min(fed, stop), confirmed: end)
            guard read > position else { break }
            position = read
        }
        guard position > start else { return false }
        try worker.publish { queue in
            if queue.waiters != 0 { arrived(queue) }
        }
        // Behind the units: the checkpoint must never tell more than what is published.
        if let last = worker.last { lastHandled.withLock { $0 = last } }
        dispatched.raise(to: position)
        return true
    }

    /// Handles the records of one file that begin before `stop`.
    /// - Returns: where the next one begins; `position` if the file is gone.
    private func readLog(
        _ worker: inout DispatchWorker, from position: PhysicalOffset, upTo stop: PhysicalOffset,
        confirmed end: PhysicalOffset
    ) throws(SystemError) -> PhysicalOffset {
        guard let segment = log.segment(at: position) else { return position }
        // A record may begin before `stop` and end behind it; it is whole, because it begins before `confirmed`.
        let mapping = try segment.mapping
        let span = mapping.bytes((position - segment.start)..<(min(end, segment.end) - segment.start))
        let limit = min(stop, segment.end) - position
        return position
            + (try worker.handle(span, upTo: limit, segmentEnds: segment.end - position) { at, error in
                SystemError(code: 5, call: "\(error) at offset \(position + at) of", subject: segment.path)
            })
    }

    /// Naps or sleeps. `false`: stop.
    private func rest(deep: Bool) -> Bool {
        sleep.store((deep ? Sleep.asleep : .napping).rawValue, ordering: .sequentiallyConsistent)
        defer { sleep.store(Sleep.awake.rawValue, ordering: .sequentiallyConsistent) }
        let result = monitor.wait(milliseconds: deep ? nil : Self.napMilliseconds) { state -> Bool? in
            if state.isStopping { return false }
            if state.isWanted || (deep && self.dispatched.value < self.confirmed()) {
                state.isWanted = false
                return true
            }
            return nil
        }
        return result ?? true
    }

    /// Ends ``run(arrived:failed:)`` when everything confirmed is handled.
    func stop() {
        monitor.signal { state in
            state.isStopping = true
            return true
        }
    }
}
