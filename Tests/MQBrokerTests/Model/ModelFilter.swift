/// A filter, as the broker gets it and as the model understands it.
struct ModelFilter: CustomStringConvertible, Sendable {
    let type: String
    let expression: String
    let matches: @Sendable (ModelState.Message) -> Bool

    var description: String { "\(type) \(expression)" }

    static let all = ModelFilter(type: "TAG", expression: "*") { _ in true }

    /// What courses choose from.
    static let some = [
        ModelFilter(type: "TAG", expression: "A || C") { $0.tag != "B" },
        ModelFilter(type: "TAG", expression: "B") { $0.tag == "B" },
        ModelFilter(type: "SQL92", expression: "n BETWEEN 2 AND 6 AND TAGS <> 'B'") {
            (2...6).contains($0.number) && $0.tag != "B"
        },
        ModelFilter(type: "SQL92", expression: "TAGS IN ('B', 'C') OR n > 7") { $0.tag != "A" || $0.number > 7 },
        ModelFilter(type: "SQL92", expression: "word IS NULL AND NOT (n < 3)") { $0.word == nil && $0.number >= 3 },
        ModelFilter(type: "SQL92", expression: "word CONTAINS '1' OR word STARTSWITH 'x9'") { message in
            message.word.map { $0.contains("1") || $0.hasPrefix("x9") } ?? false
        },
    ]
}

extension ModelState.Message {
    var tag: String { ["A", "B", "C"][id / 2 % 3] }
    var number: Int { id % 10 }
    /// A property that not every message has.
    var word: String? { id % 3 == 0 ? "x\(id)" : nil }

    /// What filters look at, as properties of a record.
    var properties: String {
        let text = "TAGS\u{1}\(tag)\u{2}KEYS\u{1}k\u{2}n\u{1}\(number)\u{2}"
        return word.map { text + "word\u{1}\($0)\u{2}" } ?? text
    }
}

extension ModelState {
    /// A pull with `filter` from `start` on has brought the messages at `places` and is to go on at `next`.
    mutating func pulled(
        _ found: [(id: Int, place: Int64)], with filter: ModelFilter, in queue: Queue, from start: Int64, next: Int64
    ) {
        let places = Set(found.map(\.place))
        for (id, place) in found where !messages.indices.contains(id) || !filter.matches(messages[id]) {
            fail("m\(id) at \(place) of \(queue) came through the filter \(filter)")
        }
        guard start < next else { return }
        for place in start..<next {
            guard let id = contents[queue]?[place], filter.matches(messages[id]), !places.contains(place) else {
                continue
            }
            fail("m\(id) at \(place) of \(queue) did not come through the filter \(filter)")
        }
    }
}
