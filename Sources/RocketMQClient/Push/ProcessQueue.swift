/// What a consumer holds of one queue: messages pulled and not finished, in queue order, and how far the group may be
/// said to have come. Messages finish in any order; the progress stops at the first that is not finished.
///
/// A plain value: no clock, lock or task.
struct ProcessQueue: Equatable {
    /// How much may be held before pulling stops. Source: `DefaultMQPushConsumer.java`, 5.3.
    struct Limits: Equatable {
        var messageCount = 1000
        var byteCount = 100 << 20
        /// Offsets between the first and the last message held.
        var span: Int64 = 2000
    }

    private struct Entry: Equatable {
        let offset: Int64
        let byteCount: Int
        var isDone = false
    }

    private var entries: [Entry] = []
    /// Entries before this index are done and forgotten.
    private var head = 0
    private let limits: Limits
    /// The offset to pull next.
    private(set) var next: Int64
    /// Messages held that are not finished.
    private(set) var pendingCount = 0
    /// Their bytes.
    private(set) var pendingByteCount = 0

    /// Nothing held yet; pulling begins at `next`.
    init(next: Int64, limits: Limits = Limits()) {
        self.next = next
        self.limits = limits
    }

    /// The offset up to which (exclusively) everything is finished.
    var committable: Int64 { head < entries.count ? entries[head].offset : next }

    /// The first and last offset held; `nil` if nothing is.
    var held: ClosedRange<Int64>? {
        head < entries.count ? entries[head].offset...entries[entries.count - 1].offset : nil
    }

    /// Whether more may be pulled.
    var hasRoom: Bool {
        let span = held.map { $0.upperBound - $0.lowerBound } ?? 0
        return pendingCount < limits.messageCount && pendingByteCount < limits.byteCount && span <= limits.span
    }

    /// A pull brought `messages` (in queue order; those filtered out are left out) and continues at `next`.
    /// Offsets that are held already are passed over.
    /// - Returns: the offsets that are new.
    mutating func add(_ messages: [(offset: Int64, byteCount: Int)], next: Int64) -> [Int64] {
        var added: [Int64] = []
        for message in messages where message.offset > (held?.upperBound ?? -1) {
            entries.append(Entry(offset: message.offset, byteCount: message.byteCount))
            pendingCount += 1
            pendingByteCount += message.byteCount
            added.append(message.offset)
        }
        self.next = next
        return added
    }

    /// The message at `offset` is finished. One that is not held (any more) is passed over.
    mutating func finish(_ offset: Int64) {
        var low = head
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].offset < offset { low = middle + 1 } else { high = middle }
        }
        guard low < entries.count, entries[low].offset == offset, !entries[low].isDone else { return }
        entries[low].isDone = true
        pendingCount -= 1
        pendingByteCount -= entries[low].byteCount
        while head < entries.count, entries[head].isDone { head += 1 }
        if head > 64, head * 2 > entries.count {  // so that forgetting costs a constant per message
            entries.removeFirst(head)
            head = 0
        }
    }

    /// The broker moved the group elsewhere: everything held is forgotten.
    mutating func move(to offset: Int64) {
        self = ProcessQueue(next: offset, limits: limits)
    }
}
