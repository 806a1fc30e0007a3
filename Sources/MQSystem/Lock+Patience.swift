import CMQLinux
import MQBase

extension Lock {
    /// Whether the lock could be taken before `milliseconds` have passed: then it is.
    @usableFromInline func isLocked(within milliseconds: Int64) -> Bool {
        let end = SystemClock.now().advanced(byMilliseconds: max(0, milliseconds)).nanoseconds
        return unsafe mq_lock_until(mutex, end) == 0  // SAFETY: the mutex lives as long as this object
    }
}
