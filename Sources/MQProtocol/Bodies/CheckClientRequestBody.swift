public import MQJSON

/// What a consumer asks before it starts: would this subscription be served? `CHECK_CLIENT_CONFIG` (46).
///
/// Source: `CheckClientRequestBody.java`, RocketMQ 5.3.
public struct CheckClientRequestBody: JSONBody {
    /// The client.
    public var clientID: String
    /// The group.
    public var group: String
    /// The subscription; without one there is nothing to check.
    public var subscriptionData: SubscriptionData?

    /// A question.
    public init(clientID: String, group: String, subscriptionData: SubscriptionData?) {
        self.clientID = clientID
        self.group = group
        self.subscriptionData = subscriptionData
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "CheckClientRequestBody")
        clientID = try fields.optionalText("clientId") ?? ""
        group = try fields.optionalText("group") ?? ""
        subscriptionData = try fields.body("subscriptionData")
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(
            ("clientId", .string(clientID)), ("group", .string(group)),
            ("subscriptionData", subscriptionData.map(\.json)))
    }
}
