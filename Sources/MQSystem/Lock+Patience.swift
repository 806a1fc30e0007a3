import CMQLinux
import MQBase

extension Lock {
    /// Takes the lock, unless `milliseconds` pass before; says whether it did.
    @usableFromInline func lock(within milliseconds: Int64) -> Bool {
        let end = SystemClock.now().advanced(byMilliseconds: max(0, milliseconds)).nanoseconds
        return unsafe mq_lock_until(mutex, end) == 0  // SAFETY: the mutex lives as long as this object
    }
}
