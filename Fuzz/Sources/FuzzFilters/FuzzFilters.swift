import MQBytes
import MQFilter

/// Any text as an SQL92 expression, and any bytes as the properties it looks at: what lies behind the first zero byte. An
/// expression is refused, or says the same of the same properties each time, at a cost that it tells.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzFilters(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    let end = input.firstIndex(of: 0) ?? input.count
    let expression = String(decoding: input[..<end], as: UTF8.self)
    let properties = Array(input.dropFirst(end + 1).prefix(32_767))
    let filter: SQLFilter
    do throws(SQLFilterError) {
        filter = try SQLFilter(expression)
    } catch {
        precondition(error.description.contains("At character "), "a refusal without a place: \(error)")
        return 0
    }
    var (first, second) = (0, 0)
    let isWanted = filter.matches(properties.span, effort: &first)
    precondition(filter.matches(properties.span, effort: &second) == isWanted && first == second)
    precondition(first > 0, "an evaluation that costs nothing")
    precondition(filter.byteCount < 64 << 20, "\(filter.byteCount) bytes for \(expression.utf8.count)")
    // The same between parentheses, unless they are one level too many.
    if let again = try? SQLFilter("(\(expression)\n)") {
        precondition(again.matches(properties.span, effort: &second) == isWanted, expression)
    }
    // As a tag expression, which takes any text.
    if let tags = TagFilter(expression) { _ = tags.matches(Int64(javaHashCode(Array(expression.utf8).span))) }
    return 0
}
