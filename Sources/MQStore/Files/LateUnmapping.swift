import MQSystem

/// Mappings that are not looked into any more but by who still holds them. To unmap a file takes milliseconds, and the last
/// to let go is often a loop: so they stay here until nobody else has them. Any thread but a loop.
final class LateUnmapping: Sendable {
    private let kept = Lock<[Mapping]>([])

    /// Takes a mapping over, until ``unmapUnread()`` finds that nobody else has it.
    func keep(_ mapping: Mapping) { kept.withLock { $0.append(mapping) } }

    /// Unmaps those that nobody else has.
    func unmapUnread() {
        let free = kept.withLock { kept in
            var free: [Mapping] = []
            for index in kept.indices.reversed() where isKnownUniquelyReferenced(&kept[index]) {
                free.append(kept.remove(at: index))
            }
            return free
        }
        withExtendedLifetime(free) {}  // unmapped here, not under the lock
    }
}
