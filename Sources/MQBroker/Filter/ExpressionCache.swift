import MQFilter
import MQProtocol
import MQRemoting
import MQSystem

/// Compiled SQL92 expressions by their text, so that an expression is compiled once for as long as it is used, whoever
/// brings it: heartbeats tell it once, pulls may bring it each time. What was refused is kept too. Any thread.
///
/// Bounded: what was used since the last turn is young; when the young ones take half of the room, the others go.
/// Java keeps the last 100 (`SelectorParser`), and one more for each group and topic (`ConsumerFilterManager`).
final class ExpressionCache: Sendable {
    private enum Entry {
        case filter(SQLFilter)
        case refused(SQLFilterError)

        var byteCount: Int { if case .filter(let filter) = self { filter.byteCount } else { 128 } }
    }

    private struct State {
        var young: [String: Entry] = [:]
        var old: [String: Entry] = [:]
        var youngByteCount = 0

        mutating func keep(_ entry: Entry, for expression: String, youngMax: Int) {
            let size = 100 + expression.utf8.count + entry.byteCount
            if youngByteCount + size > youngMax {
                old = young
                young = [:]
                youngByteCount = 0
            }
            if young.updateValue(entry, forKey: expression) == nil { youngByteCount += size }
        }
    }

    private let byteCountMax: Int
    private let state = Lock(State())

    /// - Parameter byteCountMax: about what all expressions may take in memory.
    init(byteCountMax: Int) { self.byteCountMax = byteCountMax }

    /// The filter that a subscription means.
    /// - Parameters:
    ///   - isEnabled: `enablePropertyFilter`.
    ///   - code: of the refusal of an expression that is wrong, and `prefix` the words before the reason.
    /// - Throws: `systemError` if filters are off, `code` if there is no such kind of filter or the expression is wrong.
    ///
    /// Source: `ClientManageProcessor.java` `checkClientConfig`, `PullMessageProcessor.java`, RocketMQ 5.3.
    func filter(
        _ expression: String, type: String, isEnabled: Bool, else code: ResponseCode, _ prefix: String = ""
    ) throws(Refusal) -> SQLFilter {
        guard isEnabled else {
            throw Refusal(
                .systemError, "The broker does not support consumer to filter message by \(type.prefix(64))")
        }
        guard type == "SQL92" else { throw Refusal(code, prefix + "there is no filter of type \(type.prefix(64))") }
        do throws(SQLFilterError) { return try filter(expression) } catch {
            throw Refusal(code, prefix + error.description)
        }
    }

    private func filter(_ expression: String) throws(SQLFilterError) -> SQLFilter {
        // Refused by its length alone: not worth the room.
        if expression.utf8.count > SQLLimits.expressionByteCountMax { return try SQLFilter(expression) }
        let known = state.withLock { state -> Entry? in
            if let entry = state.young[expression] { return entry }
            guard let entry = state.old[expression] else { return nil }
            state.keep(entry, for: expression, youngMax: byteCountMax / 2)
            return entry
        }
        if let known { return try Self.filter(known) }
        let made = Self.compile(expression)  // not under the lock: it may take a while
        state.withLock { $0.keep(made, for: expression, youngMax: byteCountMax / 2) }
        return try Self.filter(made)
    }

    private static func compile(_ expression: String) -> Entry {
        do throws(SQLFilterError) { return .filter(try SQLFilter(expression)) } catch { return .refused(error) }
    }

    private static func filter(_ entry: Entry) throws(SQLFilterError) -> SQLFilter {
        switch entry {
        case .filter(let filter): return filter
        case .refused(let error): throw error
        }
    }
}
