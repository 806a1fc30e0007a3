/// What a ``MinHeap`` is ordered by.
protocol Ranked {
    /// The smallest comes first.
    var rank: Int64 { get }
}

/// A heap whose first element has the smallest rank. Elements that count no more stay until they come first or are
/// compacted away: removing one at once would be a search. A plain value.
struct MinHeap<Element: Ranked> {
    private var elements: [Element] = []

    /// Elements, live or not.
    var count: Int { elements.count }
    /// The element with the smallest rank.
    var first: Element? { elements.first }

    mutating func insert(_ element: Element) {
        elements.append(element)
        var child = elements.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard elements[child].rank < elements[parent].rank else { return }
            elements.swapAt(child, parent)
            child = parent
        }
    }

    mutating func removeFirst() {
        elements.swapAt(0, elements.count - 1)
        elements.removeLast()
        sink(0)
    }

    mutating func replaceFirst(with element: Element) {
        elements[0] = element
        sink(0)
    }

    /// Keeps the elements that `isLive` picks.
    mutating func compact(_ isLive: (Element) -> Bool) {
        elements.removeAll { !isLive($0) }
        for index in stride(from: elements.count / 2 - 1, through: 0, by: -1) { sink(index) }
    }

    private mutating func sink(_ start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in (2 * parent + 1)...(2 * parent + 2)
            where child < elements.count && elements[child].rank < elements[least].rank { least = child }
            guard least != parent else { return }
            elements.swapAt(parent, least)
            parent = least
        }
    }
}
