import MQMessage

@testable import MQFilter

/// What `expression` comes to for these properties, or the reason why it is refused.
func outcome(_ expression: String, _ properties: KeyValuePairs<String, String> = [:]) -> String {
    do throws(SQLFilterError) {
        let filter = try SQLFilter(expression)
        var effort = 0
        let bytes = Properties.encode(properties.map { (name: $0.key, value: $0.value) })
        return "\(filter.outcome(bytes.span, effort: &effort))"
    } catch {
        return error.description
    }
}

/// Why `expression` is refused; `nil` if it is not.
func refusal(_ expression: String) -> SQLFilterError? {
    do throws(SQLFilterError) {
        _ = try SQLFilter(expression)
        return nil
    } catch {
        return error
    }
}
