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
    /// A connection on which nothing was answered for so long, while deadlines passed, is taken for dead and closed.
    private static let silenceMilliseconds: Int64 = 3000
    /// How often deadlines are looked at: a send may take that much longer than it was allowed.
    private static let watchMilliseconds: Int64 = 10

    fileprivate final class Frames {
        var bytes = ByteBuffer()
    }

    /// Number and slot of a request that waits, as its opaque tells them.
    fileprivate struct Slot {
        enum Content {
            case free
            case reserved
            case cancelled
            case waiting(CheckedContinuation<Answer, Never>)
        }

        var content = Content.free
        var generation: Int32 = 0
        var deadline = Instant(nanoseconds: .max)
    }

    fileprivate struct State {
        let frames = Frames()
        var slots: [Slot] = []
        var free: [Int32] = []
        /// Slots that are not free.
        var inFlight = 0
        /// Who waits for a one-way request to be handed to the connection.
        var oneWay: [CheckedContinuation<RemotingError?, Never>] = []
        /// Since when the broker has said nothing although something was asked.
        var silentSince: Instant?
        /// The loop will take what `frames` holds.
        var isScheduled = false
        var isWatching = false
        var isClosed = false
    }

    /// The broker.
    let address: SocketAddress
    private let remoting: RemotingClient
    private let state = Lock(State())

    init(to address: SocketAddress, over remoting: RemotingClient) {
        self.address = address
        self.remoting = remoting
    }

    /// Whether nothing waits.
    var isIdle: Bool { state.withLock { $0.inFlight == 0 && $0.oneWay.isEmpty } }

    // MARK: - Sending

    /// Sends what `encode` appends and waits for its answer. A cancelled task stops waiting at once; the broker may act
    /// all the same.
    func answer(before deadline: Instant, _ encode: (inout ByteBuffer, _ opaque: Int32) -> Void) async -> Answer {
        guard let opaque = state.withLock({ $0.reserve() }) else {
            return .failure(.tooManyInFlight(limit: Self.slotsMax))
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Answer, Never>) in
                begin(opaque, continuation, deadline, encode)
            }
        } onCancel: {
            let waiter = state.withLock { $0.cancel(opaque) }
            waiter?.resume(returning: .failure(.connectionLost("the caller gave up")))
        }
    }

    private func begin(
        _ opaque: Int32, _ continuation: CheckedContinuation<Answer, Never>, _ deadline: Instant,
        _ encode: (inout ByteBuffer, Int32) -> Void
    ) {
        var wakes = false
        let refusal: RemotingError? = state.withLock { state in
            if let refusal = state.fill(opaque, continuation, deadline) { return refusal }
            encode(&state.frames.bytes, opaque)
            if state.silentSince == nil { state.silentSince = SystemClock.now() }
            wakes = !state.isScheduled
            state.isScheduled = true
            return nil
        }
        if let refusal { continuation.resume(returning: .failure(refusal)) }
        if wakes { schedule() }
    }

    /// Sends what `encode` appends, which wants no answer; returns when the connection has it.
    func sendOneWay(_ encode: (inout ByteBuffer, _ opaque: Int32) -> Void) async -> RemotingError? {
        await withCheckedContinuation { (continuation: CheckedContinuation<RemotingError?, Never>) in
            var wakes = false
            let isClosed = state.withLock { state in
                if state.isClosed { return true }
                encode(&state.frames.bytes, 0)
                state.oneWay.append(continuation)
                wakes = !state.isScheduled
                state.isScheduled = true
                return false
            }
            if isClosed { continuation.resume(returning: Self.closed) }
            if wakes { schedule() }
        }
    }

    fileprivate static let closed = RemotingError.connectionLost("the client was closed")

    /// Fails what waits, and what comes later.
    func close() {
        state.withLock { $0.isClosed = true }
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
        if channel.taker !== self { channel.taker = self }
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
        for caller in told { caller.resume(returning: nil) }
    }

    func answered(_ header: borrowing RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>) {
        let opaque = header.opaque
        let now = remoting.loop.now
        let waiter = state.withLock { state in
            defer { state.silentSince = state.inFlight > 0 ? now : nil }
            return state.take(opaque)
        }
        guard let waiter else { return }  // late: its caller gave up
        waiter.resume(returning: .success(SendAnswer(header, in: bytes)))
    }

    func lost(because reason: CloseReason) { fail(.connectionLost(reason.description)) }

    /// Ends everything that waits; what was not handed over is not sent.
    private func fail(_ error: RemotingError) {
        let (waiters, oneWay) = state.withLock { state in
            state.isScheduled = false
            state.silentSince = nil
            state.frames.bytes.removeAll()
            defer { state.oneWay = [] }
            return (state.takeAll { _ in true }, state.oneWay)
        }
        for waiter in waiters { waiter.resume(returning: .failure(error)) }
        for caller in oneWay { caller.resume(returning: error) }
    }

    /// Looks at the deadlines for as long as something waits.
    private func watch() {
        let starts = state.withLock { state in
            guard !state.isWatching, state.inFlight > 0 else { return false }
            state.isWatching = true
            return true
        }
        if starts { watchAgain() }
    }

    private func watchAgain() {
        let begun = remoting.loop.now
        remoting.loop.schedule(afterMilliseconds: Self.watchMilliseconds) { [self] in
            let now = remoting.loop.now
            let (late, goesOn, isDead) = state.withLock { state in
                let late = state.takeAll { $0 <= now }
                state.isWatching = state.inFlight > 0
                let silence = state.silentSince.map { now.milliseconds(since: $0) } ?? 0
                let isDead = !late.isEmpty && silence >= Self.silenceMilliseconds
                if isDead { state.silentSince = nil }
                return (late, state.isWatching, isDead)
            }
            let waited = now.milliseconds(since: begun)
            for waiter in late { waiter.resume(returning: .failure(.timedOut(milliseconds: max(waited, 1)))) }
            if isDead { remoting.disconnect(address) }
            if goesOn { watchAgain() }
        }
    }
}

extension SendPipe {
    /// Requests that may wait for one broker.
    static let slotsMax = 65_536
}

// An opaque is ``firstOpaque`` | generation (14 bits) | slot (16 bits): an answer that comes when its slot has been given
// to another request is known by the generation.
extension SendPipe.State {
    private static let generations: Int32 = 1 << 14

    private func slot(of opaque: Int32) -> Int? {
        let index = Int(opaque & 0xFFFF)
        guard index < slots.count, slots[index].generation == (opaque & 0x3FFF_FFFF) >> 16 else { return nil }
        return index
    }

    fileprivate mutating func reserve() -> Int32? {
        let index: Int32
        if let last = free.popLast() {
            index = last
        } else {
            guard slots.count < SendPipe.slotsMax else { return nil }
            index = Int32(slots.count)
            slots.append(SendPipe.Slot())
        }
        slots[Int(index)].content = .reserved
        inFlight += 1
        return SendPipe.firstOpaque | slots[Int(index)].generation << 16 | index
    }

    /// Puts the waiter into its slot; says why not if it is not wanted any more.
    fileprivate mutating func fill(
        _ opaque: Int32, _ waiter: CheckedContinuation<SendPipe.Answer, Never>, _ deadline: Instant
    ) -> RemotingError? {
        guard let index = slot(of: opaque) else { return .connectionLost("the caller gave up") }
        if case .cancelled = slots[index].content {
            release(index)
            return .connectionLost("the caller gave up")
        }
        guard !isClosed else {
            release(index)
            return SendPipe.closed
        }
        slots[index].content = .waiting(waiter)
        slots[index].deadline = deadline
        return nil
    }

    fileprivate mutating func take(_ opaque: Int32) -> CheckedContinuation<SendPipe.Answer, Never>? {
        guard let index = slot(of: opaque), case .waiting(let waiter) = slots[index].content else { return nil }
        release(index)
        return waiter
    }

    /// The waiter, if it waits already; one that comes later is told then.
    fileprivate mutating func cancel(_ opaque: Int32) -> CheckedContinuation<SendPipe.Answer, Never>? {
        if let waiter = take(opaque) { return waiter }
        if let index = slot(of: opaque), case .reserved = slots[index].content { slots[index].content = .cancelled }
        return nil
    }

    fileprivate mutating func takeAll(
        where isDue: (Instant) -> Bool
    ) -> [CheckedContinuation<SendPipe.Answer, Never>] {
        var taken: [CheckedContinuation<SendPipe.Answer, Never>] = []
        for index in slots.indices {
            guard case .waiting(let waiter) = slots[index].content, isDue(slots[index].deadline) else { continue }
            taken.append(waiter)
            release(index)
        }
        return taken
    }

    private mutating func release(_ index: Int) {
        slots[index].content = .free
        slots[index].generation = (slots[index].generation + 1) % Self.generations
        free.append(Int32(index))
        inFlight -= 1
    }
}
