/// A half message: where it lies in its queue, and which message it stands for.
struct HalfMessage: Hashable, Sendable {
    /// Its offset in the queue of half messages.
    let offset: Int64
    /// The offset the producer was told, when the message came first; a half message that is stored again keeps it.
    let root: Int64
}

/// Which half messages are open: the state behind END_TRANSACTION and the checks. Pure: what happened goes in, what
/// holds comes out; no clock, lock or file.
///
/// A half message is *over* when it was committed, rolled back or given up, or when a later copy stands for it. Every
/// one that is over is written to the queue of operations (``takeOperations(byteCountMax:)``) or lies below
/// ``progress``, so that the next start knows.
struct TransactionTable {
    /// Copies that are remembered by their root; a producer that answers about an older copy of one more is refused
    /// and asked again. About 5 MiB.
    static let copiesMax = 1 << 17

    /// Everything below is over.
    private(set) var progress: Int64
    /// What is over from ``progress`` on.
    private var over: OffsetWindow
    /// The newest copy of messages that were stored again, by root.
    private var newest: [Int64: Int64] = [:]
    /// Roots whose commit is on its way to the log.
    private var committing: Set<Int64> = []

    /// What is over and in no operation message yet.
    private var pending: [Int64] = []
    /// Bytes that `pending` takes in messages.
    private(set) var pendingByteCount = 0

    /// Operation messages that still say something about half messages from ``progress`` on.
    private var operations: [(offset: Int64, lastHalf: Int64)] = []
    private var firstOperation = 0
    private var operationEnd: Int64

    /// - Parameters:
    ///   - progress: half messages below are over.
    ///   - operationProgress: operation messages below say nothing about later ones.
    init(progress: Int64, operationProgress: Int64) {
        self.progress = progress
        over = OffsetWindow(start: progress)
        operationEnd = operationProgress
    }

    /// The first operation message that is still needed.
    var operationProgress: Int64 {
        firstOperation < operations.count ? operations[firstOperation].offset : operationEnd
    }

    /// Whether it waits for an end.
    func isOpen(_ offset: Int64) -> Bool { offset >= progress && !over.contains(offset) }

    /// The first half message that is open, from `offset` on and below `end`.
    func firstOpen(from offset: Int64, below end: Int64) -> Int64? {
        over.firstMissing(from: max(offset, progress), below: end)
    }

    // MARK: - Ends

    /// Reserves the message for one commit or rollback.
    /// - Returns: `false` if it is over, or being committed; then nothing may be delivered.
    mutating func claim(_ half: HalfMessage) -> Bool {
        guard isOpen(newest[half.root] ?? half.offset) else { return false }
        return committing.insert(half.root).inserted
    }

    /// A claimed message was committed or rolled back.
    mutating func end(_ half: HalfMessage) {
        committing.remove(half.root)
        close(half.root)
        close(half.offset)
        if let copy = newest.removeValue(forKey: half.root) { close(copy) }
    }

    /// A claimed message could not be committed: it is as open as before.
    mutating func release(_ half: HalfMessage) { committing.remove(half.root) }

    // MARK: - Checks

    /// `half` was stored again at `offset`.
    /// - Returns: whether the copy waits for an end now; not if the message was ended meanwhile.
    mutating func copied(_ half: HalfMessage, to offset: Int64) -> Bool {
        if let other = newest[half.root], other != half.offset {  // somebody else stored it again, too
            close(min(other, offset))
            newest[half.root] = max(other, offset)
            return offset > other
        }
        guard isOpen(half.offset) else {
            close(offset)
            return false
        }
        close(half.offset)
        let isKnown = newest[half.root] != nil || committing.contains(half.root)
        if isKnown || newest.count < Self.copiesMax { newest[half.root] = offset }
        return true
    }

    /// `half` was given up: it lies in `TRANS_CHECK_MAX_TIME_TOPIC`, or its record is gone.
    mutating func gaveUp(_ half: HalfMessage) {
        close(half.offset)
        if newest[half.root] == half.offset { newest[half.root] = nil }
    }

    /// A half message that was found open at the start is a copy: what it was copied from may be open as well, if the
    /// broker died before it had noted that.
    mutating func found(_ half: HalfMessage) {
        guard half.root != half.offset, isOpen(half.offset) else { return }
        let older = newest[half.root] ?? half.root
        guard older < half.offset else { return close(half.offset) }
        close(older)
        if newest[half.root] != nil || newest.count < Self.copiesMax { newest[half.root] = half.offset }
    }

    /// Forgets what is over and below the first open half message.
    /// - Parameter end: the end of the queue of half messages.
    mutating func advance(below end: Int64) {
        guard progress < end else { return }
        progress = firstOpen(from: progress, below: end) ?? end
        over.drop(below: progress)
        while firstOperation < operations.count, operations[firstOperation].lastHalf < progress { firstOperation += 1 }
        if firstOperation == operations.count {
            operations.removeAll(keepingCapacity: operations.capacity <= 1024)
            firstOperation = 0
        } else if firstOperation > 64, firstOperation * 2 > operations.count {
            operations.removeFirst(firstOperation)
            firstOperation = 0
        }
    }

    private mutating func close(_ offset: Int64) {
        guard over.insert(offset) else { return }
        pending.append(offset)
        pendingByteCount += Self.byteCount(offset)
    }

    // MARK: - Operations

    /// Takes the offsets for one operation message: those that were over first. It may be one offset longer than
    /// `byteCountMax`. Source: `TransactionalMessageServiceImpl.java` `getOpMessage`, RocketMQ 5.3.
    mutating func takeOperations(byteCountMax: Int) -> [Int64] {
        var count = 0
        var byteCount = 0
        while count < pending.count, byteCount < byteCountMax {
            byteCount += Self.byteCount(pending[count])
            count += 1
        }
        let taken = Array(pending[..<count])
        pending.removeFirst(count)
        pendingByteCount -= byteCount
        return taken
    }

    /// The message with what was taken could not be written.
    mutating func putBack(_ halves: [Int64]) {
        pending.insert(contentsOf: halves, at: 0)
        pendingByteCount += halves.reduce(0) { $0 + Self.byteCount($1) }
    }

    /// An operation message lies at `offset` of its queue.
    /// - Precondition: offsets rise from call to call.
    mutating func wrote(operationAt offset: Int64, about halves: [Int64]) {
        precondition(offset >= operationEnd, "operation \(offset) after \(operationEnd)")
        operationEnd = offset + 1
        if let last = halves.max(), last >= progress { operations.append((offset, last)) }
    }

    /// An operation message was read at the start. Offsets that are not below `end` are no half messages.
    mutating func read(operationAt offset: Int64, about halves: [Int64], halfEnd end: Int64) {
        let known = halves.filter { (progress..<max(end, progress)).contains($0) }
        for half in known { over.insert(half) }
        wrote(operationAt: offset, about: known)
    }

    /// The number and the comma behind it.
    private static func byteCount(_ offset: Int64) -> Int {
        var digits = 1
        var rest = offset
        while rest >= 10 {
            rest /= 10
            digits += 1
        }
        return digits + 1
    }

    // MARK: - Sizes

    /// Copies that are remembered.
    var copyCount: Int { newest.count }
    /// About what the table takes in memory.
    var byteCount: Int { over.byteCount + newest.count * 40 + pending.count * 8 + operations.count * 16 }
}
