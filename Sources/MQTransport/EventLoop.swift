import Glibc
public import MQBase
import MQBytes
public import MQSystem
import Synchronization

/// One thread that waits for sockets and timers and runs everything that belongs to its connections.
///
/// A wake-up is a batch: every readable socket is read, what came is handled, then jobs and due timers run, then the
/// `endOfWakeUp` hooks (a broker appends here what the wake-up brought), then each connection that has output
/// writes it with one system call. Nothing that runs here may wait for a disk; writes that
/// end in the page cache are fine.
@safe public final class EventLoop: @unchecked Sendable {
    // @unchecked: everything but `jobs`, `isWoken` and `isStopping` is touched by the loop's own thread only, which
    // `preconditionOnLoop` checks at the doors.
    private let poller: Poller
    private let jobs = Lock<[@Sendable () -> Void]>([])
    private let isStopping = Atomic<Bool>(false)
    private let threadID = Atomic<UInt>(0)
    private var thread: Thread?
    private let name: String

    private var slots: [Slot] = []
    private var freeSlots: [Int] = []
    private var dirty: [Connection] = []
    private var flushing: [Connection] = []
    private var timers = TimerHeap()
    private var hooks: [() -> Void] = []
    /// Jobs of this wake-up are still to come: nobody needs to be woken for another one. Loop only.
    private var runsJobsSoon = false
    /// How often in a wake-up jobs may ask for jobs before sockets are looked at again.
    private static let jobRoundsMax = 8

    /// The monotonic clock as of this wake-up. Loop only.
    public private(set) var now: Instant
    /// The wall clock as of this wake-up. Loop only.
    public private(set) var wall: Timestamp
    /// What sockets are read into, one behind the other.
    private var readBuffer = ByteBuffer(capacity: 0)
    /// Whose bytes lie where in `readBuffer`, until they are handled.
    private var arrivals: [Arrival] = []
    /// With so much read, it is handled before more is: what is read must still be in the processor's cache then.
    private static let arrivedByteCountMax = 64 << 10

    private struct Arrival {
        let connection: Connection
        let range: Range<Int>
    }

    private struct Slot {
        var source: (any EventSource)?
        var generation: UInt32
    }

    /// A loop that does not run yet.
    public init(_ name: String) throws(SystemError) {
        self.name = name
        poller = try Poller()
        now = SystemClock.now()
        wall = SystemClock.wall()
    }

    /// Starts the loop's thread.
    public func start() {
        precondition(thread == nil, "loop \(name) runs already")
        thread = Thread(name) { self.run() }
    }

    /// Ends the loop after the wake-up it is in, closes its connections, and waits for its thread.
    public func stop() {
        execute { self.isStopping.store(true, ordering: .relaxed) }
        thread?.join()
        thread = nil
    }

    /// Whether the caller is the loop's thread.
    public var isOnLoop: Bool { threadID.load(ordering: .relaxed) == UInt(pthread_self()) }

    /// Traps unless the caller is the loop's thread, or the loop does not run yet.
    @inline(__always) func preconditionOnLoop() {
        let owner = threadID.load(ordering: .relaxed)
        precondition(owner == UInt(pthread_self()) || owner == 0, "called off the loop that owns this")
    }

    /// Runs `job` on the loop, in this wake-up or the next. Any thread.
    public func execute(_ job: @escaping @Sendable () -> Void) {
        let wasEmpty = jobs.withLock { jobs in
            jobs.append(job)
            return jobs.count == 1
        }
        if wasEmpty, !(isOnLoop && runsJobsSoon) { wake() }
    }

    /// Makes the loop run its hooks soon, without a job. Any thread.
    public func wake() { poller.wake() }

    /// Runs `action` on the loop at `instant` or soon after. Loop only.
    @discardableResult
    public func schedule(at instant: Instant, _ action: @escaping () -> Void) -> TimerToken {
        preconditionOnLoop()
        return timers.set(at: instant, action)
    }

    /// Runs `action` on the loop `milliseconds` from now. Loop only.
    @discardableResult
    public func schedule(afterMilliseconds milliseconds: Int64, _ action: @escaping () -> Void) -> TimerToken {
        schedule(at: now.advanced(byMilliseconds: milliseconds), action)
    }

    /// Forgets a timer; one that has fired is forgotten already. Loop only.
    public func cancel(_ token: TimerToken) {
        preconditionOnLoop()
        timers.cancel(token)
    }

    /// Runs `hook` at the end of every wake-up, before output is written. Before the loop starts.
    public func onEndOfWakeUp(_ hook: @escaping () -> Void) {
        preconditionOnLoop()
        hooks.append(hook)
    }

    // MARK: - Sources

    /// Watches `descriptor` for `source`. Last step of a source's set-up: events may arrive at once.
    func register(
        _ source: any EventSource, _ descriptor: Int32, events: Poller.Events
    ) throws(SystemError) -> Int {
        preconditionOnLoop()
        let index = freeSlots.popLast() ?? slots.count
        if index == slots.count { slots.append(Slot(source: nil, generation: 0)) }
        slots[index].source = source
        do throws(SystemError) {
            try poller.add(descriptor, events, key: key(index))
        } catch {
            slots[index].source = nil
            freeSlots.append(index)
            throw error
        }
        return index
    }

    func change(_ index: Int, _ descriptor: Int32, events: Poller.Events) {
        poller.change(descriptor, events, key: key(index))
    }

    func unregister(_ index: Int, _ descriptor: Int32) {
        poller.remove(descriptor)
        slots[index].source = nil
        slots[index].generation = (slots[index].generation &+ 1) & 0x7FFF_FFFF  // never the waker's key
        freeSlots.append(index)
    }

    private func key(_ index: Int) -> UInt64 { UInt64(slots[index].generation) << 32 | UInt64(index) }

    func markDirty(_ connection: Connection) { dirty.append(connection) }

    // MARK: - The cycle

    private func run() {
        threadID.store(UInt(pthread_self()), ordering: .relaxed)
        readBuffer.reserve(Self.arrivedByteCountMax + Connection.readByteCountMax)
        while !isStopping.load(ordering: .relaxed) {
            runsJobsSoon = true
            poller.wait(milliseconds: waitMilliseconds(), before: readClocks) { self.handle($0, $1) }
            deliver()
            runJobs()
            runTimers()
            for hook in hooks { hook() }
            flushDirty()
        }
        for slot in slots { slot.source?.loopEnds() }
        threadID.store(0, ordering: .relaxed)
    }

    private func waitMilliseconds() -> Int32 {
        guard let next = timers.next() else { return -1 }
        let nanoseconds = next.nanoseconds - SystemClock.now().nanoseconds
        return nanoseconds <= 0 ? 0 : Int32(clamping: (nanoseconds + 999_999) / 1_000_000)
    }

    private func readClocks() {
        now = SystemClock.now()
        wall = SystemClock.wall()
    }

    private func handle(_ key: UInt64, _ events: Poller.Events) {
        let index = Int(key & 0xFFFF_FFFF)
        // A source that an earlier event of this wake-up closed has a new generation.
        guard slots[index].generation == UInt32(key >> 32), let source = slots[index].source else { return }
        source.ready(events)
    }

    /// Reads `connection`; what came is handled when other sockets have been read too. System calls in a row, and then the
    /// requests in a row: each finds its code and data in the processor's cache.
    func read(_ connection: Connection) {
        if readBuffer.count >= Self.arrivedByteCountMax { deliver() }
        lendReadBuffer { buffer in
            let start = buffer.count
            if connection.fill(&buffer, behindLeftovers: true) {
                arrivals.append(Arrival(connection: connection, range: start..<buffer.count))
            } else {
                buffer.truncate(to: start)
            }
        }
    }

    /// Has what was read handled.
    private func deliver() {
        guard !arrivals.isEmpty else { return }
        lendReadBuffer { buffer in
            for arrival in arrivals { arrival.connection.take(buffer.span.extracting(arrival.range)) }
            arrivals.removeAll(keepingCapacity: true)
            buffer.removeAll()
        }
    }

    /// Lends the buffer as a local one: handlers may come back to the loop.
    @inline(__always) func lendReadBuffer(_ body: (inout ByteBuffer) -> Void) {
        var buffer = ByteBuffer()
        swap(&buffer, &readBuffer)
        body(&buffer)
        swap(&buffer, &readBuffer)
    }

    /// Runs what was asked for, and what that asks for in turn: a change of threads, or two system calls, less each time.
    private func runJobs() {
        for _ in 0..<Self.jobRoundsMax {
            let ready = takeJobs()
            guard !ready.isEmpty else { break }
            for job in ready { job() }
        }
        runsJobsSoon = false
        if !jobs.withLock({ $0.isEmpty }) { wake() }
    }

    private func takeJobs() -> [@Sendable () -> Void] {
        jobs.withLock { jobs in
            let ready = jobs
            if !ready.isEmpty { jobs = [] }
            return ready
        }
    }

    private func runTimers() {
        while let action = timers.pop(due: now) { action() }
    }

    private func flushDirty() {
        guard !dirty.isEmpty else { return }
        // Two arrays in turn: a copy of one would make the next append allocate, once a wake-up.
        swap(&dirty, &flushing)
        for connection in flushing { connection.flush() }
        flushing.removeAll(keepingCapacity: true)
    }
}

/// Something with a descriptor that the loop watches.
protocol EventSource: AnyObject {
    /// What the poller saw. Loop only.
    func ready(_ events: Poller.Events)
    /// The loop ends; let go of the descriptor. Loop only.
    func loopEnds()
}
