import MQRemoting
import MQSystem

/// Who waits for the answer to a send, and whether its task runs on the loop.
struct SendWaiter: Sendable {
    let suspension: Suspension<Result<SendAnswer, RemotingError>>
    let isOnLoop: Bool
}

/// Answers of one wake-up, with who waits for them. Its memory serves again.
struct AnsweredSends: Sendable {
    private struct Answered: Sendable {
        let waiter: SendWaiter
        let answer: SendAnswer
    }

    /// From so many answers at a time on a task lets their callers go on: each of them costs the loop an entry in the queue
    /// of Swift's pool, on the heap, when it does so itself.
    private static let batchMin = 4

    private var list: [Answered] = []

    var count: Int { list.count }

    mutating func append(_ waiter: SendWaiter, _ answer: SendAnswer) {
        list.append(Answered(waiter: waiter, answer: answer))
    }

    /// Lets all of them go on, tasks of the loop here, the others where they came from. Nothing is left. Loop only.
    mutating func letGoOn() {
        let others = list.count { !$0.waiter.isOnLoop }
        let isBatch = others >= Self.batchMin
        if isBatch {
            Task { [list] in Self.resume(list, onLoop: false) }
        } else if others > 0 {
            Self.resume(list, onLoop: false)
        }
        if others < list.count { Self.resume(list, onLoop: true) }
        if isBatch { list = [] } else { list.removeAll(keepingCapacity: true) }
    }

    private static func resume(_ all: [Answered], onLoop: Bool) {
        for answered in all where answered.waiter.isOnLoop == onLoop {
            answered.waiter.suspension.resume(returning: .success(answered.answer))
        }
    }
}
