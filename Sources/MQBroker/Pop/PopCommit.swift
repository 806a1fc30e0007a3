import MQRemoting
import MQTransport

/// Holds the answers of a wake-up until what they tell of is kept: written to the journal at the end of the wake-up, and
/// with synchronous flush on the disk. One per loop, loop only.
final class PopCommit {
    /// Called with `nil` when the change is kept, or with why it is not.
    typealias Answer = (Refusal?) -> Void

    private let service: PopService
    private var staged: [Answer] = []
    private var held: [(end: Int64, answers: [Answer])] = []

    init(_ service: PopService) { self.service = service }

    /// Calls `answer` at the end of the wake-up at the earliest.
    func whenKept(_ answer: @escaping Answer) { staged.append(answer) }

    /// Writes what this wake-up has changed. End of every wake-up.
    func commit() {
        if !staged.isEmpty {
            let answers = staged
            staged.removeAll(keepingCapacity: true)
            if let end = service.commit() {
                if service.isSynchronous, service.synced < end {
                    held.append((end, answers))
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
            count += 1
        }
        held.removeFirst(count)
        guard !held.isEmpty, let refusal = service.refusal else { return }
        for batch in held { for answer in batch.answers { answer(refusal) } }
        held = []
    }
}
