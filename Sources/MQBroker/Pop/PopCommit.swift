import MQBase
import MQRemoting
import MQTransport

/// Holds the answers of a wake-up until what they tell of is kept: written to the journal at the end of the wake-up, and
/// with synchronous flush on the disk. One per loop, loop only.
final class PopCommit {
    /// Called with `nil` when the change is kept, or with why it is not.
    typealias Answer = (Refusal?) -> Void

    private let service: PopService
    private let waiting: WaitingGauge
    private let loop: EventLoop
    private var flow: FlowSettings
    private var watch: ConfigWatch
    private var staged: [Answer] = []
    private var held: [(end: Int64, since: Instant, answers: [Answer])] = []
    private var heldCount = 0

    init(_ service: PopService, config: LiveConfig, stats: BrokerStats, loop: EventLoop) {
        self.service = service
        self.loop = loop
        waiting = stats.waitingAcks.make()
        flow = config.current.flow
        watch = ConfigWatch(config)
    }

    /// Takes another request that changes something, or not: those that wait for the journal must not become too many.
    func admit() throws(Refusal) {
        if let refusal = service.refusal { throw refusal }
        guard heldCount > 0 else { return }
        follow()
        if heldCount >= flow.ackCountMax { throw .busy }
    }

    private func follow() { if watch.hasChanged() { flow = watch.config.current.flow } }

    /// Calls `answer` at the end of the wake-up at the earliest.
    func whenKept(_ answer: @escaping Answer) { staged.append(answer) }

    /// Writes what this wake-up has changed. End of every wake-up.
    func commit() {
        if !staged.isEmpty {
            let answers = staged
            staged.removeAll(keepingCapacity: true)
            let end = service.commit {
                follow()
                return flow.busyMilliseconds
            }
            if let end {
                if service.isSynchronous, service.synced < end {
                    held.append((end, loop.now, answers))
                    heldCount += answers.count
                    service.wantSync()
                } else {
                    for answer in answers { answer(nil) }
                }
            } else {
                let refusal = service.refusal ?? .busy
                for answer in answers { answer(refusal) }
            }
        }
        if !held.isEmpty { release() }
    }

    private func release() {
        let synced = service.synced
        var count = 0
        while count < held.count, held[count].end <= synced {
            for answer in held[count].answers { answer(nil) }
            heldCount -= held[count].answers.count
            count += 1
        }
        held.removeFirst(count)
        if !held.isEmpty, let refusal = service.refusal {
            for batch in held { for answer in batch.answers { answer(refusal) } }
            held = []
            heldCount = 0
        }
        waiting.note(heldCount, oldest: held.first?.since)
    }
}
