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

    /// When tasks of the loop have so much to send, it is written before the rest of them run: the broker works on it meanwhile.
    /// Else a window is with the client or with the broker as a whole, and one of the two always waits. Measured with 256
    /// messages of 1 KiB on their way: see decision 20.
    private static let earlyByteCount = 48 << 10

    private final class Frames {
        var bytes = ByteBuffer()
    }

    /// Who waits for a one-way request to be handed to the connection.
    private struct OneWay {
        let suspension: Suspension<RemotingError?>
        let deadline: Instant
    }

    private struct State {
        let frames = Frames()
        var slots = SendSlots<SendWaiter>(limit: SendPipe.slotsMax)
        var oneWay: [OneWay] = []
        /// Answers of this wake-up, with who waits for them.
        var answered = AnsweredSends()
        /// Memory of the last wake-up's, for the next.
        var spare = AnsweredSends()
        /// What the answer before said beside numbers and ids.
        var words = SendAnswer.Words()
        /// Since when the broker has said nothing although something was asked.
        var silentSince: Instant?
        /// The loop will take what `frames` holds.
        var isScheduled = false
        var isWatching = false
        var isClosed = false

        var isWaitedFor: Bool { slots.count > 0 || !oneWay.isEmpty }

        /// Takes out whoever `judge` has a reason to let wait no longer.
        mutating func takeEnded(
            _ judge: (_ deadline: Instant, _ isCancelled: Bool) -> RemotingError?
        ) -> (answers: [(waiter: SendWaiter, reason: RemotingError)], oneWay: [(caller: OneWay, reason: RemotingError)])
        {
            let answers = slots.takeAll { judge($1, $0.suspension.isCancelled) }
            guard !oneWay.isEmpty else { return (answers, []) }
            let judged = oneWay.map { (caller: $0, reason: judge($0.deadline, $0.suspension.isCancelled)) }
            oneWay = judged.filter { $0.reason == nil }.map(\.caller)
            return (answers, judged.compactMap { judged in judged.reason.map { (judged.caller, $0) } })
        }
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

    /// Sends what `encode` appends and waits for its answer. The broker may act although nobody waits any more.
    /// - Parameter isHurried: a cancelled task stops waiting at once, else within some 10 ms. It costs each message 900
    ///   instructions.
    nonisolated(nonsending) func answer(
        before deadline: Instant, isHurried: Bool, _ encode: (inout ByteBuffer, _ opaque: Int32) -> Void
    ) async -> Answer {
        guard isHurried else { return await suspended { begin($0, deadline, encode) } }
        return await withTaskCancellationHandler {
            await suspended { begin($0, deadline, encode) }
        } onCancel: {
            endCancelled()
        }
    }

    private func begin(
        _ suspension: Suspension<Answer>, _ deadline: Instant, _ encode: (inout ByteBuffer, Int32) -> Void
    ) {
        var (wakes, isFull) = (false, false)
        let waiter = SendWaiter(suspension: suspension, isOnLoop: remoting.loop.isOnLoop)
        let refusal: RemotingError? = state.withLock { state in
            guard !state.isClosed else { return Self.closed }
            // Who is cancelled from here on finds the waiter in its slot: see `endCancelled`.
            guard !suspension.isCancelled else { return Self.givenUp }
            guard let number = state.slots.add(waiter, deadline: deadline) else {
                return .tooManyInFlight(limit: Self.slotsMax)
            }
            let before = state.frames.bytes.count
            encode(&state.frames.bytes, Self.firstOpaque | number)
            if state.silentSince == nil { state.silentSince = SystemClock.now() }
            wakes = !state.isScheduled
            state.isScheduled = true
            isFull = waiter.isOnLoop && before < Self.earlyByteCount && state.frames.bytes.count >= Self.earlyByteCount
            return nil
        }
        if let refusal { suspension.resume(returning: .failure(refusal)) }
        if wakes { schedule() }
        if isFull { transmit(atOnce: true) }
    }

    /// Sends what `encode` appends, which wants no answer; returns when the connection has it. After `deadline`, or when its
    /// task is cancelled, nobody waits for that any more; it may go out all the same.
    nonisolated(nonsending) func sendOneWay(
        before deadline: Instant, _ encode: (inout ByteBuffer, _ opaque: Int32) -> Void
    ) async -> RemotingError? {
        await withTaskCancellationHandler {
            await suspended { beginOneWay($0, deadline, encode) }
        } onCancel: {
            endCancelled()
        }
    }

    private func beginOneWay(
        _ suspension: Suspension<RemotingError?>, _ deadline: Instant, _ encode: (inout ByteBuffer, Int32) -> Void
    ) {
        var wakes = false
        let refusal: RemotingError? = state.withLock { state in
            guard !state.isClosed else { return Self.closed }
            guard !suspension.isCancelled else { return Self.givenUp }
            encode(&state.frames.bytes, 0)
            state.oneWay.append(OneWay(suspension: suspension, deadline: deadline))
            wakes = !state.isScheduled
            state.isScheduled = true
            return nil
        }
        if let refusal { suspension.resume(returning: refusal) }
        if wakes { schedule() }
    }

    /// Ends the waiting of tasks that were cancelled. Any thread.
    private func endCancelled() {
        let (answers, oneWay) = state.withLock { $0.takeEnded { $1 ? Self.givenUp : nil } }
        for (waiter, reason) in answers { waiter.suspension.resume(returning: .failure(reason)) }
        for (caller, reason) in oneWay { caller.suspension.resume(returning: reason) }
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

    private func transmit() { transmit(atOnce: false) }

    private func transmit(atOnce: Bool) {
        remoting.withChannel(to: address) { [self] result in
            switch result {
            case .failure(let error): fail(error)
            case .success(let channel):
                handOver(to: channel)
                if atOnce { channel.connection.writeNow() }
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
        for caller in told { caller.suspension.resume(returning: nil) }
    }

    func took(_ frame: RemotingFrame, in bytes: Span<UInt8>) -> Bool {
        guard let view = SendMessageAnswerView(frame, in: bytes), view.opaque >= Self.firstOpaque else { return false }
        took(view.opaque) { SendAnswer(view, in: bytes, known: &$0) }
        return true
    }

    func answered(_ header: borrowing RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>) {
        let answer = SendAnswer(header, in: bytes)
        took(header.opaque) { _ in answer }
    }

    private func took(_ opaque: Int32, _ answer: (inout SendAnswer.Words) -> SendAnswer) {
        let now = remoting.loop.now
        let isFirst = state.withLock { state in
            defer { state.silentSince = state.slots.count > 0 ? now : nil }
            guard let waiter = state.slots.take(opaque & ~Self.firstOpaque) else { return false }  // its caller gave up
            state.answered.append(waiter, answer(&state.words))
            return state.answered.count == 1
        }
        if isFirst { remoting.loop.execute(deliver) }  // at the end of this wake-up
    }

    private func deliver() {
        var answered = AnsweredSends()
        state.withLock { state in
            swap(&answered, &state.spare)
            swap(&answered, &state.answered)
        }
        answered.letGoOn()
        state.withLock { swap(&answered, &$0.spare) }
    }

    func lost(because reason: CloseReason) { fail(.connectionLost(reason.description)) }

    /// Ends everything that waits; what was not handed over is not sent.
    private func fail(_ error: RemotingError) {
        let (waiters, oneWay) = state.withLock { state in
            state.isScheduled = false
            state.silentSince = nil
            state.frames.bytes.removeAll()
            defer { state.oneWay = [] }
            return (state.slots.takeAll { _, _ in true }, state.oneWay)
        }
        for (waiter, _) in waiters { waiter.suspension.resume(returning: .failure(error)) }
        for caller in oneWay { caller.suspension.resume(returning: error) }
    }

    /// Looks at deadlines and cancelled tasks for as long as something waits.
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
            let waited = max(now.milliseconds(since: begun), 1)
            let error = RemotingError.timedOut(milliseconds: waited)
            let (ended, oneWay, goesOn, isDead) = state.withLock { state in
                let (ended, oneWay) = state.takeEnded { $0 <= now ? error : $1 ? Self.givenUp : nil }
                state.isWatching = state.isWaitedFor
                let silence = state.silentSince.map { now.milliseconds(since: $0) } ?? 0
                let isDead = ended.contains { $0.reason == error } && silence >= Self.silenceMilliseconds
                if isDead { state.silentSince = nil }
                return (ended, oneWay, state.isWatching, isDead)
            }
            for (waiter, reason) in ended { waiter.suspension.resume(returning: .failure(reason)) }
            for (caller, reason) in oneWay { caller.suspension.resume(returning: reason) }
            if isDead { remoting.disconnect(address) }
            if goesOn { watchAgain() }
        }
    }
}
