public import MQJSON

/// What something came to in the last minute, hour and day: answer of `VIEW_BROKER_STATS_DATA` (315).
///
/// Source: `BrokerStatsData.java`, `BrokerStatsItem.java`, RocketMQ 5.3.
public struct BrokerStatsData: JSONBody {
    /// One span.
    public struct Item: JSONBody {
        /// How much came.
        public var sum: Int64
        /// How much a second.
        public var tps: Double
        /// How much a request.
        public var averagePerRequest: Double

        /// A span.
        public init(sum: Int64 = 0, tps: Double = 0, averagePerRequest: Double = 0) {
            self.sum = sum
            self.tps = tps
            self.averagePerRequest = averagePerRequest
        }

        /// Reads the members; see ``JSONBody``. Java writes NaN as `null`.
        public init(json: JSON) throws(BodyError) {
            let fields = try BodyFields(json, "BrokerStatsItem")
            sum = try fields.int64("sum", default: 0)
            tps = try fields.double("tps") ?? 0
            averagePerRequest = try fields.double("avgpt") ?? 0
        }

        /// The members as Java writes them.
        public var json: JSON {
            .members(("avgpt", .number(averagePerRequest)), ("sum", .integer(sum)), ("tps", .number(tps)))
        }
    }

    /// The last minute.
    public var minute: Item
    /// The last hour.
    public var hour: Item
    /// The last day.
    public var day: Item

    /// Spans.
    public init(minute: Item, hour: Item, day: Item) {
        self.minute = minute
        self.hour = hour
        self.day = day
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "BrokerStatsData")
        minute = try fields.body("statsMinute") ?? Item()
        hour = try fields.body("statsHour") ?? Item()
        day = try fields.body("statsDay") ?? Item()
    }

    /// The members as Java writes them.
    public var json: JSON { .members(("statsDay", day.json), ("statsHour", hour.json), ("statsMinute", minute.json)) }

    /// About what came in a day: of the longest span that has anything. Source: `StatsAllSubCommand.compute24HourSum`.
    public var daySum: Int64 { day.sum != 0 ? day.sum : hour.sum != 0 ? hour.sum : minute.sum }
}
