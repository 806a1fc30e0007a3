public import Glibc
import MQBase

/// A mutex around a value: `pthread_mutex_t`, because the thread sanitizer reports `Synchronization.Mutex` falsely
/// (5.8 against 4.7 ns). A leaf lock: no I/O, log, callback or second lock inside.
///
/// A function is not to be the value itself, nor an optional one: Swift would wrap it once more at each ``withLock(_:)``, until
/// calling it overflows the stack. In a property of a struct it stays as it is.
@safe public final class Lock<Value>: @unchecked Sendable {
    // @unchecked: `stored` is touched only between lock and unlock of `mutex`.
    @usableFromInline let mutex: UnsafeMutablePointer<pthread_mutex_t>
    @usableFromInline var stored: Value

    /// A lock that guards `value`.
    public init(_ value: sending Value) {
        stored = value
        unsafe mutex = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        let result = unsafe pthread_mutex_init(mutex, nil)
        precondition(result == 0, "pthread_mutex_init: \(result)")
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    /// Runs `body` with the value, alone.
    @inlinable public func withLock<R, E: Error>(_ body: (inout Value) throws(E) -> R) throws(E) -> R {
        // SAFETY: the mutex lives as long as this object.
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return try body(&stored)
    }

    /// Runs `body` with the value, alone, unless others have it for too long.
    /// - Parameter patience: how long to wait, in ms; asked only when somebody has it.
    /// - Returns: `nil` if the time was over first; `body` did not run then.
    @inlinable public func withLock<R, E: Error>(
        within patience: () -> Int64, _ body: (inout Value) throws(E) -> R
    ) throws(E) -> R? {
        // SAFETY: the mutex lives as long as this object.
        if unsafe pthread_mutex_trylock(mutex) != 0, !lock(within: patience()) { return nil }
        defer { unsafe pthread_mutex_unlock(mutex) }
        return try body(&stored)
    }
}

/// A mutex with a condition to wait on: for threads that sleep until there is work.
@safe public final class Monitor<Value>: @unchecked Sendable {
    // @unchecked: `stored` is touched only between lock and unlock of `mutex`.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var stored: Value

    /// A monitor that guards `value`.
    public init(_ value: sending Value) {
        stored = value
        unsafe mutex = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe pthread_mutex_init(mutex, nil)
        unsafe condition = .allocate(capacity: 1)
        unsafe condition.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(condition, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe condition.deallocate()
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    /// Runs `body` with the value, alone, and wakes one waiter if it returns `true`.
    public func signal(_ body: (inout Value) -> Bool) {
        // SAFETY: mutex and condition live as long as this object.
        unsafe pthread_mutex_lock(mutex)
        let wake = body(&stored)
        unsafe pthread_mutex_unlock(mutex)
        if wake { unsafe pthread_cond_signal(condition) }
    }

    /// Runs `body` with the value, alone.
    public func withLock<R>(_ body: (inout Value) -> R) -> R {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return body(&stored)
    }

    /// Waits until `body` returns a value, or until `milliseconds` have passed (`nil`: for ever).
    /// `body` runs with the lock held, first at once, then after each signal.
    public func wait<R>(milliseconds: Int64? = nil, until body: (inout Value) -> R?) -> R? {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        var deadline = timespec()
        if let milliseconds {
            // A deadline before the clock's start would be refused by the system, not passed.
            let end = SystemClock.now().advanced(byMilliseconds: max(0, milliseconds)).nanoseconds
            deadline = timespec(tv_sec: Int(end / 1_000_000_000), tv_nsec: Int(end % 1_000_000_000))
        }
        while true {
            if let result = body(&stored) { return result }
            if milliseconds == nil {
                unsafe pthread_cond_wait(condition, mutex)
            } else if unsafe pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT {
                return body(&stored)
            }
        }
    }
}
