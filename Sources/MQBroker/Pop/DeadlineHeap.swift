/// Deadlines of spans, earliest first. Entries of spans that are done stay until they are the most. A plain value.
struct DeadlineHeap {
    struct Entry: Equatable {
        var deadline: Int64
        var queue: Int
        var key: PopSpan.Key
    }

    private var heap: [Entry] = []

    /// Entries, live or not.
    var count: Int { heap.count }
    /// The earliest deadline.
    var first: Entry? { heap.first }

    mutating func insert(_ entry: Entry) {
        heap.append(entry)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].deadline < heap[parent].deadline else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func removeFirst() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        sink(0)
    }

    /// Keeps the entries that `isLive` picks.
    mutating func compact(_ isLive: (Entry) -> Bool) {
        heap.removeAll { !isLive($0) }
        for index in stride(from: heap.count / 2 - 1, through: 0, by: -1) { sink(index) }
    }

    private mutating func sink(_ start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && heap[child].deadline < heap[least].deadline { least = child }
            guard least != parent else { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
