import MQBytes
import MQJSON
import MQProtocol

/// The body of BATCH_ACK_MESSAGE. Source: `BatchAckMessageRequestBody.java`, `BatchAck.java`, RocketMQ 5.3.
struct BatchAckBody: JSONBody {
    /// Acks of one span.
    struct Ack: JSONBody {
        var group: String
        var topic: String
        var retry: String
        var start: Int64
        var queueID: Int32
        var reviveQueue: Int32
        var popTime: Int64
        var invisibleTime: Int64
        /// A bit for each offset from the start on, the lowest of the first byte first.
        var bits: [UInt8]

        init(json: JSON) throws(BodyError) {
            let fields = try PopBody(json, "BatchAck")
            group = try fields.text("c")
            topic = try fields.text("t")
            retry = try fields.text("r")
            start = try fields.number("so")
            queueID = Int32(clamping: try fields.number("q"))
            reviveQueue = Int32(clamping: try fields.number("rq"))
            popTime = try fields.number("pt")
            invisibleTime = try fields.number("it")
            guard let bits = Base64.standard.decode(Array(try fields.text("b").utf8).span) else {
                throw .badMember(body: "BatchAck", member: "b")
            }
            self.bits = bits
        }

        var json: JSON {
            PopBody.object([
                ("b", .string(Base64.standard.encode(bits.span).span.toString())), ("c", .string(group)),
                ("it", .integer(invisibleTime)),
                ("pt", .integer(popTime)), ("q", .integer(Int64(queueID))), ("r", .string(retry)),
                ("rq", .integer(Int64(reviveQueue))), ("so", .integer(start)), ("t", .string(topic)),
            ])
        }

        /// Whether the bit of `offset` is set.
        func names(_ offset: Int64) -> Bool {
            let (distance, overflow) = offset.subtractingReportingOverflow(start)
            guard !overflow, distance >= 0, distance / 8 < Int64(bits.count) else { return false }
            return bits[Int(distance / 8)] & 1 << UInt8(distance % 8) != 0
        }
    }

    var brokerName: String
    var acks: [Ack]

    init(json: JSON) throws(BodyError) {
        let fields = try PopBody(json, "BatchAckMessageRequestBody")
        brokerName = fields.optionalText("brokerName") ?? ""
        acks = []
        for element in fields.list("acks") { acks.append(try Ack(json: element)) }
    }

    var json: JSON { PopBody.object([("acks", .array(acks.map(\.json))), ("brokerName", .string(brokerName))]) }
}
