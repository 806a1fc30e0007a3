/// A task that waits for one value: a `CheckedContinuation` without the 40 bytes on the heap that each of those costs, for
/// the few places where a task waits for each message.
///
/// Whoever holds it must resume it exactly once: it is to be kept where taking it out leaves nothing behind.
@safe public struct Suspension<Value: Sendable>: Sendable {
    private let continuation: UnsafeContinuation<Value, Never>

    fileprivate init(_ continuation: UnsafeContinuation<Value, Never>) { unsafe self.continuation = continuation }

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
    unsafe await withUnsafeContinuation(isolation: isolation) { unsafe body(Suspension($0)) }
}
