public import MQJSON

/// The version of a table that travels between brokers and name servers: two equal ones mean equal tables.
///
/// Source: `DataVersion.java`, RocketMQ 5.3; 4.9 has no `stateVersion` (read as 0).
public struct DataVersion: JSONBody, Hashable {
    /// Which master wrote it: the epoch in controller mode, else 0.
    public var stateVersion: Int64
    /// When it last changed, milliseconds since 1970.
    public var timestamp: Int64
    /// How often it has changed since its broker started.
    public var counter: Int64

    /// A version; (0, 0) is how name servers start.
    public init(stateVersion: Int64 = 0, timestamp: Int64 = 0, counter: Int64 = 0) {
        self.stateVersion = stateVersion
        self.timestamp = timestamp
        self.counter = counter
    }

    /// The table changed at `now`, milliseconds since 1970.
    public mutating func advance(now: Int64) {
        timestamp = now
        counter += 1
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "DataVersion")
        stateVersion = try fields.int64("stateVersion", default: 0)
        timestamp = try fields.int64("timestamp", default: 0)
        counter = try fields.int64("counter", default: 0)
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(
            ("counter", .integer(counter)), ("stateVersion", .integer(stateVersion)),
            ("timestamp", .integer(timestamp)))
    }
}
