import MQMessage

/// A message to send.
public struct Message: Equatable, Sendable {
    /// Where it goes: 1…127 of `%|a-zA-Z0-9_-`.
    public var topic: String
    /// Free for the application; carried along.
    public var flag: Int32 = 0
    /// Not empty, 4 MiB at most unless the broker allows more.
    public var body: [UInt8]
    /// Properties, the system's among them.
    public var properties = Self.standardProperties

    /// What a new message has; all share one list until they get more.
    private static let standardProperties: MessageProperties = {
        var properties = MessageProperties()
        properties[PropertyName.wait] = "true"
        return properties
    }()

    /// A message.
    /// - Parameters:
    ///   - tags: what consumers filter by; one tag.
    ///   - keys: what it can be found by later.
    public init(topic: String, tags: String? = nil, keys: [String] = [], body: [UInt8]) {
        self.topic = topic
        self.body = body
        if tags == nil, keys.isEmpty { return }
        properties = MessageProperties()  // in Java's order
        self.tags = tags
        self.keys = keys
        properties[PropertyName.wait] = "true"
    }

    /// A message whose body is text, in UTF-8.
    public init(topic: String, tags: String? = nil, keys: [String] = [], body: String) {
        self.init(topic: topic, tags: tags, keys: keys, body: Array(body.utf8))
    }

    /// What consumers filter by.
    public var tags: String? {
        get { properties[PropertyName.tags] }
        set { properties[PropertyName.tags] = newValue }
    }

    /// What it can be found by; none of them may hold a blank.
    public var keys: [String] {
        get { properties[PropertyName.keys]?.split(separator: " ").map(String.init) ?? [] }
        set { properties[PropertyName.keys] = newValue.isEmpty ? nil : newValue.joined(separator: " ") }
    }

    /// Delivered late: 1…18 by the broker's `messageDelayLevel`; `nil` at once.
    public var delayLevel: Int? {
        get { properties[PropertyName.delay].flatMap { Int($0) } }
        set { properties[PropertyName.delay] = newValue.map(String.init) }
    }

    /// Delivered so much later than it is sent, to the millisecond; up to a second more, and never less. `nil` at once. A
    /// ``delayLevel`` wins over it, and it over ``deliveryTimestamp``.
    public var delay: Duration? {
        get { properties[PropertyName.timerDelayMilliseconds].flatMap { Int64($0) }.map { .milliseconds($0) } }
        set {
            properties[PropertyName.timerDelayMilliseconds] = newValue.map { String($0.milliseconds) }
        }
    }

    /// Delivered at this time, milliseconds since 1970, or up to a second later; `nil` at once. Brokers refuse what is more than
    /// three days ahead, unless their `timerMaxDelaySec` says otherwise.
    public var deliveryTimestamp: Int64? {
        get { properties[PropertyName.timerDeliverMilliseconds].flatMap { Int64($0) } }
        set { properties[PropertyName.timerDeliverMilliseconds] = newValue.map { String($0) } }
    }

    /// Whether the answer waits for what the broker's flush and replication settings promise.
    public var waitsForStore: Bool {
        get { properties[PropertyName.wait] != "false" }
        set { properties[PropertyName.wait] = newValue ? "true" : "false" }
    }

    /// Why the broker would refuse it; `nil` if it may be sent.
    /// - Parameter isTopicKnown: the topic's name need not be looked at.
    func refusal(bodyByteCountMax: Int, isTopicKnown: Bool = false) -> String? {
        if !isTopicKnown, let refusal = NameRules.refusal(ofTopic: topic) { return refusal }
        if body.isEmpty { return "the message body is empty" }
        if body.count > bodyByteCountMax {
            return "the message body has \(body.count) bytes; the producer's limit is \(bodyByteCountMax)"
        }
        if !properties.isStandard, properties.hasSeparator {
            return "a property of the message holds the byte 1 or 2, which separate properties"
        }
        return nil
    }
}
