import MQBase
import MQMessage
import MQProtocol
import MQSystem

/// Handing out in order: one message of the queue at a time, the next one when it is done. A failure holds the queue and
/// is tried again in place.
///
/// Source: `ConsumeMessageOrderlyService.java`, 5.3.
extension QueueWorker {
    /// Messages handed out before other queues have their turn.
    private static let turnMax = 32

    /// Messages came.
    func handOutInOrder(_ messages: [MessageExt]) {
        guard state.withLock({ $0.ordered.add(messages) }) else { return }
        consumer.pool.add { number in await self.turn(number) }
    }

    private func turn(_ number: Int) async {
        for _ in 0..<Self.turnMax {
            guard !isDropped else { return }
            let now = SystemClock.now()
            switch state.withLock({ $0.ordered.next(now: now) }) {
            case .nothing: return
            case .unlocked: return turnLater(.milliseconds(100))
            case .message(let message):
                let isDone = await finishes(message, number)
                state.withLock { $0.ordered.isHandling = false }
                if !isDone { return turnLater(consumer.options.suspendCurrentQueue) }
            }
        }
        consumer.pool.add { number in await self.turn(number) }
    }

    private func turnLater(_ delay: Duration) {
        consumer.side.run { [self] in
            guard await pause(delay), !isDropped else { return }
            consumer.pool.add { number in await self.turn(number) }
        }
    }

    /// Whether the queue may go on behind `message`.
    private func finishes(_ message: MessageExt, _ number: Int) async -> Bool {
        guard let outcome = await handle(message, number) else { return false }
        if outcome != .success, consumer.options.messageModel == .clustering {
            let isGivenUp = Int(message.reconsumeTimes) >= consumer.options.reconsumeTimesMax
            guard isGivenUp, await sendBack(message, -1) else {
                state.withLock { $0.ordered.countFailure(message.queueOffset) }
                return false
            }
        }
        state.withLock { state in
            state.ordered.finish(message.queueOffset)
            state.books.finish(message.queueOffset)
        }
        return true
    }

    // MARK: - Its lock

    /// The broker has just confirmed that the queue is this client's.
    /// - Returns: `false` if somebody else may have had it meanwhile: begin anew.
    func locked(at now: Instant) -> Bool {
        state.withLock { state in
            if state.ordered.mayHaveLostLock(now: now) { return false }
            state.ordered.lock(at: now)
            return true
        }
    }

    /// Whether no handler has a message of the queue, waiting a second for one that has.
    func isIdle() async -> Bool {
        for _ in 0..<100 {
            guard state.withLock({ $0.ordered.isHandling }) else { return true }
            guard await pause(.milliseconds(10)) else { break }
        }
        return state.withLock { !$0.ordered.isHandling }
    }
}
