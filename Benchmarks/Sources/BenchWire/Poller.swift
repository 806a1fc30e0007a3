import CBenchLinux
import Glibc

/// A level-triggered epoll set. One thread.
public final class Poller {
    private let descriptor: Int32
    private let events: UnsafeMutablePointer<epoll_event>
    private let eventsMax = 1024

    /// An empty set; ends the process if the kernel gives none.
    public init() {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard descriptor >= 0 else { stop("epoll cannot be created: \(systemError)") }
        events = .allocate(capacity: eventsMax)
    }

    /// Has the kernel end timed waits on time instead of up to 50 µs late.
    public static func usePreciseTimers() { cbench_precise_timers() }

    /// Watches a descriptor for reading; `token` comes back with its events.
    public func add(_ watched: Int32, token: UInt64) {
        control(EPOLL_CTL_ADD, watched, token, EPOLLIN.rawValue)
    }

    /// Watches for writing too, or no longer.
    public func wantWrite(_ wanted: Bool, _ watched: Int32, token: UInt64) {
        control(EPOLL_CTL_MOD, watched, token, wanted ? EPOLLIN.rawValue | EPOLLOUT.rawValue : EPOLLIN.rawValue)
    }

    /// Waits for events: for ever if `timeout` (nanoseconds) is negative.
    /// - Returns: how many there are, to be read with ``token(_:)`` and ``isWritable(_:)``.
    public func wait(timeout: Int64 = -1) -> Int {
        let count: Int32
        if timeout < 0 {
            count = epoll_wait(descriptor, events, Int32(eventsMax), -1)
        } else {
            var time = timespec(tv_sec: Int(timeout / 1_000_000_000), tv_nsec: Int(timeout % 1_000_000_000))
            count = epoll_pwait2(descriptor, events, Int32(eventsMax), &time, nil)
        }
        if count < 0 && errno != EINTR { stop("epoll failed: \(systemError)") }
        return max(0, Int(count))
    }

    /// The token of event `index` of the last wait.
    public func token(_ index: Int) -> UInt64 { events[index].data.u64 }

    /// Whether event `index` says there is room to write.
    public func isWritable(_ index: Int) -> Bool { events[index].events & EPOLLOUT.rawValue != 0 }

    /// Whether event `index` says there is something to read, an end or an error.
    public func isReadable(_ index: Int) -> Bool { events[index].events & ~EPOLLOUT.rawValue != 0 }

    private func control(_ operation: Int32, _ watched: Int32, _ token: UInt64, _ interest: UInt32) {
        var event = epoll_event()
        event.events = interest
        event.data.u64 = token
        guard epoll_ctl(descriptor, operation, watched, &event) == 0 else {
            stop("epoll cannot watch a socket: \(systemError)")
        }
    }
}
