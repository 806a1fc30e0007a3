import MQSystem

/// A message that waits for its outcome. Whoever drops one without saying gets it again later.
public final class Delivery: Sendable {
    /// The message.
    public let message: MessageExt
    /// The queue it is from, and which of the bounded number of places it takes.
    public let context: ConsumeContext
    private let waiter: Lock<CheckedContinuation<ConsumeOutcome?, Never>?>

    init(_ message: MessageExt, _ context: ConsumeContext, _ waiter: CheckedContinuation<ConsumeOutcome?, Never>) {
        self.message = message
        self.context = context
        self.waiter = Lock(waiter)
    }

    deinit { end(.later()) }

    /// Says what came of it; the first word counts.
    public func finish(_ outcome: ConsumeOutcome = .success) { end(outcome) }

    /// The consumer ends before anybody got it.
    func abandon() { end(nil) }

    private func end(_ outcome: ConsumeOutcome?) {
        let waiter = waiter.withLock { waiter in
            defer { waiter = nil }
            return waiter
        }
        waiter?.resume(returning: outcome)
    }
}

/// A push consumer's messages, one after the other. Asking for the first starts the consumer; the sequence ends when the
/// task is cancelled or the consumer shut down. At most ``ConsumerOptions/handlersMax`` deliveries are unfinished at a time: with all
/// of them in hand, the next one comes when one is finished.
public struct Deliveries: AsyncSequence, Sendable {
    let consumer: PushConsumer

    /// One for each consumer.
    public func makeAsyncIterator() -> Iterator { Iterator(consumer) }

    /// Leaving the loop shuts the consumer down.
    public struct Iterator: AsyncIteratorProtocol {
        private let consumer: PushConsumer
        private let desk = DeliveryDesk()
        private let end: EndOfLoop
        private var isStarted = false

        init(_ consumer: PushConsumer) {
            self.consumer = consumer
            end = EndOfLoop(consumer)
        }

        /// - Throws: what the consumer's start does, at the first call only.
        public mutating func next() async throws(ClientError) -> Delivery? {
            if !isStarted {
                isStarted = true
                try await consumer.start { [desk] message, context in
                    guard let outcome = await desk.outcome(of: message, context) else { throw CancellationError() }
                    return outcome
                }
                await consumer.atShutdown { [desk] in desk.close() }
            }
            if let delivery = await desk.next() { return delivery }
            await uncancelled { [consumer] in await consumer.shutdown() }
            return nil
        }
    }

    /// The iterator's end, however it comes.
    private final class EndOfLoop: Sendable {
        private let consumer: PushConsumer

        init(_ consumer: PushConsumer) { self.consumer = consumer }

        deinit {
            // Closes the desk when the queues are given up, not before: what nobody took must stay where it is.
            Task { [consumer] in await consumer.shutdown() }
        }
    }
}

/// Where handlers lay messages down for the loop to take.
final class DeliveryDesk: Sendable {
    private struct State {
        var deliveries: [Delivery] = []
        var waiter: CheckedContinuation<Delivery?, Never>?
        /// Nobody takes any more; the consumer will end soon.
        var isLeft = false
        var isClosed = false
    }

    private let state = Lock(State())

    /// Lays a message down and waits for its outcome; `nil`: the desk was closed before anybody took it.
    func outcome(of message: MessageExt, _ context: ConsumeContext) async -> ConsumeOutcome? {
        let slot = Lock<Handed>(.notYet)
        return await withTaskCancellationHandler {
            await outcome(of: message, context, noting: slot)
        } onCancel: {
            // The consumer's patience is over: whoever holds the delivery need not say anything any more.
            let delivery = slot.withLock { slot -> Delivery? in
                defer { slot = .cancelled }
                if case .out(let delivery) = slot { return delivery.value }
                return nil
            }
            delivery?.abandon()
        }
    }

    /// Where a delivery is; held weakly, because dropping it says something.
    private enum Handed {
        case notYet
        case cancelled
        case out(Weak)

        struct Weak: Sendable { weak let value: Delivery? }
    }

    private func outcome(
        of message: MessageExt, _ context: ConsumeContext, noting slot: Lock<Handed>
    ) async -> ConsumeOutcome? {
        await withCheckedContinuation { continuation in
            let delivery = Delivery(message, context, continuation)
            let isCancelled = slot.withLock { slot in
                if case .cancelled = slot { return true }
                slot = .out(Handed.Weak(value: delivery))
                return false
            }
            if isCancelled { return delivery.abandon() }
            var waiter: CheckedContinuation<Delivery?, Never>?
            let isClosed = state.withLock { state in
                if state.isClosed { return true }
                waiter = state.waiter
                state.waiter = nil
                if waiter == nil { state.deliveries.append(delivery) }
                return false
            }
            if isClosed { delivery.abandon() }
            waiter?.resume(returning: delivery)
        }
    }

    /// The next delivery; `nil` when the desk is closed, or the task cancelled.
    func next() async -> Delivery? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let (isReady, delivery): (Bool, Delivery?) = state.withLock { state in
                    if state.isClosed || state.isLeft || Task.isCancelled { return (true, nil) }
                    guard !state.deliveries.isEmpty else {
                        state.waiter = continuation
                        return (false, nil)
                    }
                    return (true, state.deliveries.removeFirst())
                }
                if isReady { continuation.resume(returning: delivery) }
            }
        } onCancel: {
            leave()
        }
    }

    /// Whoever waits gets nothing more. What is laid down waits for ``close()``.
    private func leave() {
        let waiter = state.withLock { state in
            state.isLeft = true
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(returning: nil)
    }

    /// Whoever waits gets nothing more; messages that nobody took are left where they are.
    func close() {
        let (left, waiter) = state.withLock { state in
            state.isClosed = true
            defer {
                state.deliveries = []
                state.waiter = nil
            }
            return (state.deliveries, state.waiter)
        }
        for delivery in left { delivery.abandon() }
        waiter?.resume(returning: nil)
    }
}

extension PushConsumer {
    /// The messages as a sequence, in place of a handler:
    ///
    ///     for try await delivery in consumer.deliveries() {
    ///         print(delivery.message)
    ///         delivery.finish()
    ///     }
    ///
    /// One loop for each consumer, once.
    public nonisolated func deliveries() -> Deliveries { Deliveries(consumer: self) }
}
