import CMQLinux
import Glibc

/// Waits for many descriptors at once: epoll today, behind a seam so that io_uring or kqueue can take its place.
/// One thread waits; any thread may call ``wake()``.
@safe public final class Poller: @unchecked Sendable {
    // @unchecked: the buffer is touched by the waiting thread only; the descriptors never change.
    private let descriptor: Int32
    private let waker: Int32
    private let ready: UnsafeMutablePointer<mq_ready>
    private static let readyMax = 256
    private static let wakerKey = UInt64.max

    /// What happened on a descriptor, or what to watch it for.
    public struct Events: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// Bytes, a connection, or the end can be read.
        public static let readable = Events(rawValue: 1)
        /// There is room to write.
        public static let writable = Events(rawValue: 4)
        /// The peer has closed its side.
        public static let peerClosed = Events(rawValue: 0x2000)
        /// An error or a hang-up; always watched for.
        public static let failed = Events(rawValue: 8 | 16)
    }

    /// A poller that watches nothing yet.
    public init() throws(SystemError) {
        descriptor = mq_poller()
        guard descriptor >= 0 else { throw .last("epoll_create1", "poller") }
        waker = mq_waker()
        guard waker >= 0 else { throw .last("eventfd", "poller") }
        unsafe ready = .allocate(capacity: Self.readyMax)
        guard mq_poller_watch(descriptor, 1, waker, Events.readable.rawValue, Self.wakerKey) == 0 else {
            throw .last("epoll_ctl", "poller")
        }
    }

    deinit {
        close(descriptor)
        close(waker)
        unsafe ready.deallocate()
    }

    /// Begins to watch `target`; its events come with `key`.
    public func add(_ target: Int32, _ events: Events, key: UInt64) throws(SystemError) {
        precondition(key != Self.wakerKey, "the key is taken")
        guard mq_poller_watch(descriptor, 1, target, events.rawValue, key) == 0 else {
            throw .last("epoll_ctl", "descriptor \(target)")
        }
    }

    /// Watches `target`, which was added, for something else.
    public func change(_ target: Int32, _ events: Events, key: UInt64) {
        let result = mq_poller_watch(descriptor, 2, target, events.rawValue, key)
        precondition(result == 0, "epoll_ctl on a watched descriptor failed: \(errno)")
    }

    /// Stops watching `target`.
    public func remove(_ target: Int32) { _ = mq_poller_watch(descriptor, 3, target, 0, 0) }

    /// Waits for events, a wake-up, or the time to pass (-1: for ever), and hands each event to `body`.
    /// `before` runs once after the wait and before the first event.
    public func wait(milliseconds: Int32, before: () -> Void, _ body: (UInt64, Events) -> Void) {
        let count = unsafe mq_poller_wait(descriptor, ready, Int32(Self.readyMax), milliseconds)
        before()
        guard count > 0 else { return }
        for index in 0..<Int(count) {
            let event = unsafe ready[index]  // SAFETY: index < count <= readyMax
            if event.key == Self.wakerKey {
                mq_waker_clear(waker)
            } else {
                body(event.key, Events(rawValue: event.events))
            }
        }
    }

    /// Ends the wait that is going on, or the next one. Any thread.
    public func wake() { mq_wake(waker) }
}
