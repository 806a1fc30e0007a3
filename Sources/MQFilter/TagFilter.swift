import MQBytes

/// A tag expression: `*` or nothing wants everything, `A || B` wants messages tagged A or B.
///
/// The broker compares Java's hash codes, which collide; consumers compare the text again. Source: `FilterAPI.java`,
/// `ExpressionMessageFilter.java`, RocketMQ 5.3.
public struct TagFilter: Equatable, Sendable {
    /// More tags than a subscription can sensibly name; each costs a comparison per message.
    public static let tagsMax = 1024

    private let codes: [Int64]?

    /// Wants everything.
    public static let all = TagFilter()

    private init() { codes = nil }

    /// Wants messages whose tags code is one of `codes`; everything if there are none.
    public init(codes: some Sequence<Int>) {
        let codes = codes.map(Int64.init).sorted()
        self.codes = codes.isEmpty ? nil : codes
    }

    /// Reads an expression.
    /// - Returns: `nil` if it names no tag, as `||` does, or more than ``tagsMax``.
    public init?(_ expression: String) {
        let expression = expression.trimmingBlanks()
        if expression.isEmpty || expression == "*" {
            codes = nil
            return
        }
        let tags = expression.splitAtBars()
        guard !tags.isEmpty, tags.count <= Self.tagsMax else { return nil }
        codes = tags.map { Int64(javaHashCode(Array($0.utf8).span)) }.sorted()
    }

    /// Whether it wants everything: nothing need be compared.
    public var wantsAll: Bool { codes == nil }

    /// Whether a message with this tags code may be wanted.
    public func matches(_ tagsCode: Int64) -> Bool {
        guard let codes else { return true }
        for code in codes where code == tagsCode { return true }
        return false
    }
}

extension String {
    fileprivate func trimmingBlanks() -> String {
        var text = self[...]
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text)
    }

    /// The non-empty parts between `||`.
    fileprivate func splitAtBars() -> [String] {
        var parts: [String] = []
        var part = ""
        var previousWasBar = false
        for character in self {
            if character == "|" {
                if previousWasBar {
                    parts.append(part)
                    part = ""
                    previousWasBar = false
                } else {
                    previousWasBar = true
                }
                continue
            }
            if previousWasBar { part.append("|") }
            previousWasBar = false
            part.append(character)
        }
        if previousWasBar { part.append("|") }
        parts.append(part)
        return parts.map { $0.trimmingBlanks() }.filter { !$0.isEmpty }
    }
}
