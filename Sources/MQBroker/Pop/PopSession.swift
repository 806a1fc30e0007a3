import MQRemoting
import MQStore

/// One attempt of a pop, from queue to queue. Loop only.
final class PopSession {
    /// A queue to look at.
    struct Step {
        let route: TopicRoute
        let kind: PopTopicKind
        let queueID: Int
        /// Of a retry topic, when another was asked for: its messages get the name of that one.
        let isRetry: Bool
    }

    let request: PopRequest
    /// From when on what it takes is invisible, ms since 1970: when the first messages were taken. One for all queues, as the
    /// answer has it.
    private(set) var popTime: Int64
    let reviveQueue: Int32
    var steps: [Step] = []
    /// The step it is at.
    var index = 0
    /// The queue of that step.
    var key = PopQueueKey(group: "", topic: "", queueID: 0)
    /// Messages found.
    var count = 0
    var byteCount = 0
    /// Messages that it left.
    var rest: Int64 = 0
    var info = PopInfo()
    var pieces: [PopRecords.Piece] = []
    var refusal: Refusal?
    /// It passed messages that its filter does not want.
    var hasPassed = false
    var corrections = 0
    /// Where the queues ended when it looked at them.
    private(set) var ends: [(queue: ConsumeQueue, end: Int64)] = []

    init(_ request: PopRequest, popTime: Int64, reviveQueue: Int32) {
        self.request = request
        self.popTime = popTime
        self.reviveQueue = reviveQueue
    }

    /// Messages are about to be taken. A disk may have been waited for since it began: that time is not taken from theirs.
    func takes(at now: Int64) { if count == 0 { popTime = now } }

    /// As of when a queue's ordered messages must be free: what is taken later is as old as what was taken first.
    func asks(at now: Int64) -> Int64 { count == 0 ? now : popTime }

    /// Notes where the queue ends, before it is read.
    func seen(_ queue: ConsumeQueue) { ends.append((queue, queue.maxOffset)) }
}
