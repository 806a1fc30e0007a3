import MQBase
import MQBytes
import MQProtocol
import MQRemoting
import MQSystem
import MQTransport

/// Sends to one broker. Whoever sends encodes the frame itself, into bytes that the loop takes over as a whole at its
/// next wake-up: one write for all that came together, and no closure, timer or table entry for each message.
final class SendPipe: AnswerTaker, Sendable {
    typealias Answer = Result<SendAnswer, RemotingError>

    /// Bytes that may wait in the connection before more is handed over to it.
    private static let outputMax = 4 << 20
    /// Memory that the connection and the pipe keep each. Measured with 256 messages of 1 KiB on their way: with the usual
    /// 64 KiB a tenth of a send's instructions were copies of growing buffers.
    private static let outputKept = 1 << 20
    /// A connection on which nothing was answered for so long, while deadlines passed, is taken for dead and closed.
    private static let silenceMilliseconds: Int64 = 3000
    /// How often deadlines are looked at: a send may take that much longer than it was allowed.
    private static let watchMilliseconds: Int64 = 10

    private final class Frames {
        var bytes = ByteBuffer()
    }

    /// Who waits for a one-way request to be handed to the connection.
    private struct OneWay {
        let continuation: CheckedContinuation<RemotingError?, Never>
        let deadline: Instant
    }

    private struct Answered: Sendable {
        let waiter: Suspension<Answer>
        let answer: SendAnswer
    }

    /// From so many answers at a time on a task lets their callers go on: each of them costs the loop an entry in the queue
    /// of Swift's pool, on the heap, when it does so itself.
    private static let batchMin = 4

    private struct State {
        let frames = Frames()
        var slots = SendSlots<Suspension<Answer>>(limit: SendPipe.slotsMax)
        var oneWay: [OneWay] = []
        /// Answers of this wake-up, with who waits for them.
        var answered: [Answered] = []
        /// Since when the broker has said nothing although something was asked.
        var silentSince: Instant?
        /// The loop will take what `frames` holds.
        var isScheduled = false
        var isWatching = false
        var isClosed = false

        var isWaitedFor: Bool { slots.count > 0 || !oneWay.isEmpty }
    }

    /// Requests that may wait for one broker.
    static let slotsMax = 65_536

    /// The broker.
    let address: SocketAddress
    private let remoting: RemotingClient
    private let state = Lock(State())

    init(to address: SocketAddress, over remoting: RemotingClient) {
        self.address = address
        self.remoting = remoting
    }

    /// Whether nothing waits.
    var isIdle: Bool { state.withLock { !$0.isWaitedFor } }

    // MARK: - Sending

    /// Sends what `encode` appends and waits for its answer. A cancelled task stops waiting at once; the broker may act
    /// all the same.
    func answer(before deadline: Instant, _ encode: (inout ByteBuffer, _ opaque: Int32) -> Void) async -> Answer {
        guard let number = state.withLock({ $0.slots.reserve() }) else {
            return .failure(.tooManyInFlight(limit: Self.slotsMax))
        }
        return await withTaskCancellationHandler {
            await suspended { continuation in
                begin(number, continuation, deadline, encode)
            }
        } onCancel: {
            let waiter = state.withLock { $0.slots.cancel(number) }
            waiter?.resume(returning: .failure(Self.givenUp))
        }
    }

    private func begin(
        _ number: Int32, _ continuation: Suspension<Answer>, _ deadline: Instant,
        _ encode: (inout ByteBuffer, Int32) -> Void
    ) {
        var wakes = false
        let refusal: RemotingError? = state.withLock { state in
            guard !state.isClosed else {
                state.slots.giveUp(number)
                return Self.closed
            }
            if case .wasCancelled = state.slots.fill(number, continuation, deadline: deadline) { return Self.givenUp }
            encode(&state.frames.bytes, Self.firstOpaque | number)
            if state.silentSince == nil { state.silentSince = SystemClock.now() }
            wakes = !state.isScheduled
            state.isScheduled = true
            return nil
        }
        if let refusal { continuation.resume(returning: .failure(refusal)) }
        if wakes { schedule() }
    }

    /// Sends what `encode` appends, which wants no answer; returns when the connection has it. After `deadline` nobody waits
    /// for that any more; it may go out all the same.
    func sendOneWay(
        before deadline: Instant, _ encode: (inout ByteBuffer, _ opaque: Int32) -> Void
    ) async -> RemotingError? {
        await withCheckedContinuation { (continuation: CheckedContinuation<RemotingError?, Never>) in
            var wakes = false
            let isClosed = state.withLock { state in
                if state.isClosed { return true }
                encode(&state.frames.bytes, 0)
                state.oneWay.append(OneWay(continuation: continuation, deadline: deadline))
                wakes = !state.isScheduled
                state.isScheduled = true
                return false
            }
            if isClosed { continuation.resume(returning: Self.closed) }
            if wakes { schedule() }
        }
    }

    private static let closed = RemotingError.connectionLost("the client was closed")
    private static let givenUp = RemotingError.connectionLost("the caller gave up")

    /// Fails what waits, and what comes later.
    func close() {
        state.withLock { $0.isClosed = true }
        deliver()
        fail(Self.closed)
    }

    // MARK: - On the loop

    private func schedule() { remoting.loop.execute(transmit) }

    private func transmit() {
        remoting.withChannel(to: address) { [self] result in
            switch result {
            case .failure(let error): fail(error)
            case .success(let channel): handOver(to: channel)
            }
        }
        watch()
    }

    private func handOver(to channel: RemotingChannel) {
        let connection = channel.connection
        guard connection.isOpen else { return fail(.connectionLost("closed")) }
        if channel.taker !== self {
            channel.taker = self
            connection.outputKeptByteCount = Self.outputKept
        }
        guard connection.pendingByteCount < Self.outputMax else {
            remoting.loop.schedule(afterMilliseconds: 2) { [self] in transmit() }
            return
        }
        // Not with the lock held: a connection that holds too much is closed inside, and we hear of it at once.
        var bytes = ByteBuffer()
        let told = state.withLock { state in
            state.isScheduled = false
            swap(&bytes, &state.frames.bytes)
            defer { state.oneWay = [] }
            return state.oneWay
        }
        connection.send { output in
            if output.isEmpty {
                swap(&output, &bytes)
            } else {
                output.append(bytes.span)
                bytes.removeAll()
            }
        }
        state.withLock { state in
            // The memory serves again.
            if state.frames.bytes.allocatedByteCount == 0 { swap(&bytes, &state.frames.bytes) }
        }
        for caller in told { caller.continuation.resume(returning: nil) }
    }

    func answered(_ header: borrowing RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>) {
        let opaque = header.opaque
        let now = remoting.loop.now
        let isFirst = state.withLock { state in
            defer { state.silentSince = state.slots.count > 0 ? now : nil }
            guard let waiter = state.slots.take(opaque & ~Self.firstOpaque) else { return false }  // its caller gave up
            state.answered.append(Answered(waiter: waiter, answer: SendAnswer(header, in: bytes)))
            return state.answered.count == 1
        }
        if isFirst { remoting.loop.execute(deliver) }  // at the end of this wake-up
    }

    private func deliver() {
        let answered = state.withLock { state in
            defer { state.answered = [] }
            return state.answered
        }
        if answered.count < Self.batchMin { return Self.resume(answered) }
        Task { Self.resume(answered) }
    }

    private static func resume(_ all: [Answered]) {
        for answered in all { answered.waiter.resume(returning: .success(answered.answer)) }
    }

    func lost(because reason: CloseReason) { fail(.connectionLost(reason.description)) }

    /// Ends everything that waits; what was not handed over is not sent.
    private func fail(_ error: RemotingError) {
        let (waiters, oneWay) = state.withLock { state in
            state.isScheduled = false
            state.silentSince = nil
            state.frames.bytes.removeAll()
            defer { state.oneWay = [] }
            return (state.slots.takeAll { _ in true }, state.oneWay)
        }
        for waiter in waiters { waiter.resume(returning: .failure(error)) }
        for caller in oneWay { caller.continuation.resume(returning: error) }
    }

    /// Looks at the deadlines for as long as something waits.
    private func watch() {
        let starts = state.withLock { state in
            guard !state.isWatching, state.isWaitedFor else { return false }
            state.isWatching = true
            return true
        }
        if starts { watchAgain() }
    }

    private func watchAgain() {
        let begun = remoting.loop.now
        remoting.loop.schedule(afterMilliseconds: Self.watchMilliseconds) { [self] in
            let now = remoting.loop.now
            let (late, oneWay, goesOn, isDead) = state.withLock { state in
                let late = state.slots.takeAll { $0 <= now }
                let oneWay = state.oneWay.filter { $0.deadline <= now }
                if !oneWay.isEmpty { state.oneWay.removeAll { $0.deadline <= now } }
                state.isWatching = state.isWaitedFor
                let silence = state.silentSince.map { now.milliseconds(since: $0) } ?? 0
                let isDead = !late.isEmpty && silence >= Self.silenceMilliseconds
                if isDead { state.silentSince = nil }
                return (late, oneWay, state.isWatching, isDead)
            }
            let waited = now.milliseconds(since: begun)
            let error = RemotingError.timedOut(milliseconds: max(waited, 1))
            for waiter in late { waiter.resume(returning: .failure(error)) }
            for caller in oneWay { caller.continuation.resume(returning: error) }
            if isDead { remoting.disconnect(address) }
            if goesOn { watchAgain() }
        }
    }
}
