import MQBytes
import MQProtocol
import MQSystem

/// `A || B`, `*` or nothing: which tags a consumer wants.
enum TagExpression {
    /// The subscription that `expression` means. Source: `FilterAPI.buildSubscriptionData`, 5.3.
    static func subscription(topic: String, expression: String, version: Int64) throws(ClientError) -> SubscriptionData
    {
        let trimmed = trim(expression[...])
        if trimmed.isEmpty || trimmed == "*" {
            return SubscriptionData(topic: topic, subString: "*", subVersion: version)
        }
        let tags = expression.split(separator: "||").map { trim($0) }.filter { !$0.isEmpty }
        guard !tags.isEmpty else { throw .invalid("the subscription \(expression) to \(topic) names no tag") }
        return SubscriptionData(
            topic: topic, subString: expression, tagsSet: tags, codeSet: tags.map { javaHashCode(Array($0.utf8).span) },
            subVersion: version)
    }

    private static func trim(_ text: Substring) -> String {
        String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}

extension SubscriptionData {
    /// Whether the consumer wants a message with these tags. Brokers compare hash codes only, so that others come too.
    func wants(tags: String?) -> Bool {
        guard expressionType == "TAG", !tagsSet.isEmpty else { return true }
        return tags.map(tagsSet.contains) ?? false
    }
}
