import MQJSON
import MQProtocol
import MQSystem

/// `consumerOrderInfo.json`: the last ordered pop of each queue, as Java's brokers keep it. Ours is the journal; the file
/// is written so that a Java broker can go on, and read where the journal knows nothing.
///
/// Source: `ConsumerOrderInfoManager.java`, RocketMQ 5.3.
enum OrderInfoFile {
    static let name = "consumerOrderInfo.json"
    /// No queue is so long; sums of offsets must not overflow.
    private static let offsetMax: Int64 = 1 << 60

    /// The ordered pops of the file; what cannot be read is left out.
    static func pops(_ stored: JSON?) -> [(PopQueueKey, OrderedPop)] {
        guard let table = stored?["table"].object else { return [] }
        var pops: [(PopQueueKey, OrderedPop)] = []
        for member in table {
            let parts = (member.key.string ?? "").split(separator: "@", maxSplits: 1).map(String.init)
            guard parts.count == 2, let queues = member.value.object else { continue }
            for queue in queues {
                guard let queueID = queue.key.string.flatMap({ Int32($0) }), let pop = pop(queue.value) else {
                    continue
                }
                pops.append((PopQueueKey(group: parts[1], topic: parts[0], queueID: queueID), pop))
            }
        }
        return pops
    }

    private static func pop(_ json: JSON) -> OrderedPop? {
        guard let popTime = json["popTime"].int64, let list = json["o"].array, !list.isEmpty,
            list.count <= PopSpan.countMax, let first = list[0].int64, (0..<offsetMax).contains(first)
        else { return nil }
        var offsets = [first]
        for element in list.dropFirst() {
            guard let distance = element.int64, distance > offsets[offsets.count - 1] - first, distance < 1 << 32 else {
                return nil
            }
            offsets.append(first &+ distance)
        }
        var pop = OrderedPop(
            popTime: popTime, invisibleTime: json["i"].int64 ?? 0, offsets: offsets,
            acked: UInt64(bitPattern: json["cm"].int64 ?? 0), lastConsumed: json["l"].int64 ?? popTime,
            attemptID: json["a"].string)
        for member in json["ot"].object ?? JSONObject() {
            guard let offset = member.key.string.flatMap({ Int64($0) }), let time = member.value.int64,
                let index = offsets.firstIndex(of: offset)
            else { continue }
            pop.visibleAt[index] = time
        }
        for member in json["oc"].object ?? JSONObject() {
            guard let offset = member.key.string.flatMap({ Int64($0) }), let count = member.value.int else { continue }
            pop.consumedCounts[offset] = min(max(0, count), Int(Int32.max))
        }
        return pop
    }

    /// The file's text.
    static func text(_ pops: [(key: PopQueueKey, pop: OrderedPop)]) -> [UInt8] {
        var table: [String: [(JSONKey, JSON)]] = [:]
        for (key, pop) in pops.sorted(by: { $0.key.queueID < $1.key.queueID }) {
            table["\(key.topic)@\(key.group)", default: []].append((.integer(Int64(key.queueID)), json(pop)))
        }
        let members = table.sorted { $0.key < $1.key }.map {
            (JSONKey.string($0.key), JSON.object(JSONObject($0.value)))
        }
        return PopBody.object([("table", .object(JSONObject(members)))]).encoded(.pretty)
    }

    private static func json(_ pop: OrderedPop) -> JSON {
        let first = pop.offsets[0]
        var members: [(String, JSON)] = []
        if let attempt = pop.attemptID { members.append(("a", .string(attempt))) }
        members.append(("cm", .integer(Int64(bitPattern: pop.acked))))
        members.append(("i", .integer(pop.invisibleTime)))
        members.append(("l", .integer(pop.lastConsumed)))
        let places = pop.offsets.enumerated().map { JSON.integer($0 == 0 ? $1 : $1 - first) }
        members.append(("o", .array(places)))
        let counts = pop.consumedCounts.sorted { $0.key < $1.key }.map {
            (JSONKey.integer($0.key), JSON.integer(Int64($0.value)))
        }
        members.append(("oc", .object(JSONObject(counts))))
        if !pop.visibleAt.isEmpty {
            let times = pop.visibleAt.sorted { $0.key < $1.key }.map {
                (JSONKey.integer(pop.offsets[$0.key]), JSON.integer($0.value))
            }
            members.append(("ot", .object(JSONObject(times))))
        }
        members.append(("popTime", .integer(pop.popTime)))
        return PopBody.object(members)
    }
}
