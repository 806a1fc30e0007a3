import CMQLinux
import Glibc

/// A thread of ours, with a name that `top -H` shows.
public final class Thread: Sendable {
    private let handle: UInt

    /// Starts a thread that runs `body`.
    /// - Parameter name: at most 15 bytes are kept by the system.
    /// - Parameter nice: over 0, the thread gets less of a busy processor than the others: for work that may wait behind
    ///   the loops.
    /// - Precondition: the system can start a thread; it is asked for a fixed handful at start-up.
    public init(_ name: String, nice: Int32 = 0, _ body: @escaping @Sendable () -> Void) {
        let start = unsafe Unmanaged.passRetained(Start(name: name, nice: nice, body: body))
        var handle: UInt = 0
        // SAFETY: the context is retained here and released once by the new thread.
        let result = unsafe mq_spawn(
            { context in
                guard let context = unsafe context else { return }
                let start = unsafe Unmanaged<Start>.fromOpaque(context).takeRetainedValue()
                unsafe mq_name_thread(start.name)
                mq_nice_thread(start.nice)
                start.body()
            }, start.toOpaque(), 1 << 20, &handle)
        precondition(result == 0, "cannot start thread \(name): error \(result)")
        self.handle = handle
    }

    /// Waits until the thread's body has returned. Call once.
    public func join() { mq_join(handle) }

    private final class Start: Sendable {
        let name: String
        let nice: Int32
        let body: @Sendable () -> Void

        init(name: String, nice: Int32, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.nice = nice
            self.body = body
        }
    }
}
