/// A task that waits for one value: a `CheckedContinuation` without the 40 bytes on the heap that each of those costs, for
/// the few places where a task waits for each message.
///
/// Whoever holds it must resume it exactly once: it is to be kept where taking it out leaves nothing behind.
@safe public struct Suspension<Value: Sendable>: @unchecked Sendable {
    // @unchecked: of the task nothing is asked but what any thread may ask.
    private let continuation: UnsafeContinuation<Value, Never>
    /// An `UnsafeCurrentTask`, which is one reference, not counted here. As itself it would have to be moved about by calls into
    /// the library, which may change its layout: 1,500 instructions for each message.
    private let task: UnsafeRawPointer?

    fileprivate init(_ continuation: UnsafeContinuation<Value, Never>, _ task: UnsafeCurrentTask?) {
        unsafe self.continuation = continuation
        // SAFETY: the cast traps if the sizes differ.
        unsafe self.task = task.map { unsafe unsafeBitCast($0, to: UnsafeRawPointer.self) }
    }

    /// Whether the task that waits has been cancelled. Any thread, but only while it waits: under the lock that whoever
    /// resumes it takes it out of. To be asked now and then where a cancellation handler would cost each message a tenth of
    /// its time.
    public var isCancelled: Bool {
        // SAFETY: the task is alive because it waits; this call is one that other threads may make.
        guard let task = unsafe task else { return false }
        return unsafe unsafeBitCast(task, to: UnsafeCurrentTask.self).isCancelled
    }

    /// Lets the task go on with `value`. Any thread; exactly once.
    public func resume(returning value: Value) {
        // SAFETY: the holder's promise above; the task is alive because it waits.
        unsafe continuation.resume(returning: value)
    }
}

/// Suspends the task; `body` puts what resumes it where it will be found, at once.
public func suspended<Value: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ body: (Suspension<Value>) -> Void
) async -> Value {
    // SAFETY: `body` hands the continuation to somebody who resumes it exactly once.
    unsafe await withUnsafeContinuation(isolation: isolation) { continuation in
        unsafe withUnsafeCurrentTask { unsafe body(Suspension(continuation, $0)) }
    }
}
