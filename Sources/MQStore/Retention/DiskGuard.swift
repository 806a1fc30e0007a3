import Synchronization

/// Whether messages are refused because there is no room, for which reasons. Any thread; an append pays one load.
final class DiskGuard: Sendable {
    /// Who says that there is no room.
    struct Reasons: OptionSet, Sendable {
        let rawValue: UInt8
        /// The log's disk is above the warning level.
        static let logDisk = Reasons(rawValue: 1)
        /// The queues' disk is above the warning level.
        static let queueDisk = Reasons(rawValue: 2)
        /// Queues or index could not be written: messages wait in the log until they can.
        static let dispatch = Reasons(rawValue: 4)
        /// The start could not build all queues: their ends are not known.
        static let start = Reasons(rawValue: 8)
    }

    private let bits = Atomic<UInt8>(0)

    /// All reasons at present.
    var reasons: Reasons { Reasons(rawValue: bits.load(ordering: .relaxed)) }

    /// Whether messages are refused. Relaxed: nothing else is read because of it.
    var isFull: Bool { bits.load(ordering: .relaxed) != 0 }

    /// Sets or takes back `reason`.
    /// - Returns: whether that changed anything.
    @discardableResult
    func set(_ reason: Reasons, _ isSet: Bool) -> Bool {
        let old =
            isSet
            ? bits.bitwiseOr(reason.rawValue, ordering: .relaxed).oldValue
            : bits.bitwiseAnd(~reason.rawValue, ordering: .relaxed).oldValue
        return (old & reason.rawValue != 0) != isSet
    }
}
