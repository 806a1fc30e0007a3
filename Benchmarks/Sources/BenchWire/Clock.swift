import Glibc

/// Nanoseconds of the monotonic clock.
public func monotonicNanoseconds() -> Int64 {
    nanoseconds(of: CLOCK_MONOTONIC) ?? 0
}

/// Nanoseconds since 1970.
public func realtimeNanoseconds() -> Int64 {
    nanoseconds(of: CLOCK_REALTIME) ?? 0
}

/// Nanoseconds of any POSIX clock, or `nil` if there is no such clock (a process that has ended).
public func nanoseconds(of clock: Int32) -> Int64? {
    var time = timespec()
    guard clock_gettime(clock, &time) == 0 else { return nil }
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}
