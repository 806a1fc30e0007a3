import Foundation
import MQBase
import MQBytes
import MQMessage
import MQProtocol
import MQTestKit
import Testing

@testable import MQBroker

/// What Java and C++ clients sent to a Java broker, byte for byte, against ours. The topics are made and the queues are
/// filled as far as the recorded answers need; then code, names of fields, remark and the body's shape must be Java's.
@Suite struct BrokerGoldenTests {
    @Test(arguments: Golden.versions)
    func `recorded sends get Java's answers`(version: String) throws {
        let running = try RunningBroker()
        let peer = try running.connect()
        for topic in ["gold_t", "gold_adm", "TopicTest"] { _ = try peer.ask(.topic(topic)) }
        var compared = 0
        for (exchange, wanted) in try Golden.asked([10, 310, 320], version: version) {
            let properties = exchange.request["i"] ?? exchange.request["properties"] ?? ""
            if properties.contains("TIMER_") { continue }  // not served yet
            let answer = try peer.ask(exchange.bytes)
            #expect(answer.code == wanted.code, "\(exchange.name): \(answer.remark ?? "")")
            #expect(answer.opaque == exchange.request.opaque && answer.flag == 1, "\(exchange.name)")
            // 4.9 does not answer with a transactionId; its clients pass over names they do not know.
            let new: Set<String> = version == "4.9.8" ? ["transactionId"] : []
            #expect(answer.names.subtracting(new) == wanted.names.subtracting(["recallHandle"]), "\(exchange.name)")
            for name in ["queueId", "transactionId", "TRACE_ON", "MSG_REGION"] where wanted[name] != nil {
                if name == "transactionId", exchange.request.code == 320 { continue }  // Java makes one for the batch
                #expect(answer[name] == wanted[name], "\(exchange.name) \(name)")
            }
            let ids = [answer, wanted].map { $0["msgId"]?.split(separator: ",").map(\.count) }
            #expect(ids[0] == ids[1], "\(exchange.name)")
            compared += 1
        }
        #expect(compared > 8)
    }

    @Test(arguments: Golden.versions)
    func `recorded pulls get Java's answers`(version: String) throws {
        let running = try RunningBroker(["enablePropertyFilter": "true"])
        let peer = try running.connect()
        var compared: [Int32: Int] = [:]
        var filteredCount = 0
        var resetCount = 0
        for (number, (exchange, wanted)) in try Golden.asked([11], version: version).enumerated() {
            let type = exchange.request["expressionType"] ?? "TAG"
            // Each pull gets a topic of its own, with as many messages as Java's queue had.
            var request = exchange.request
            let topic = "gold_\(number)"
            request["topic"] = topic
            request["suspendTimeoutMillis"] = "100"  // clients wait 15 s
            try fill(topic, for: request, wanted, peer)
            if Int32(request["sysFlag"] ?? "0")! & 4 == 0 {
                let subscribed =
                    wanted.responseCode == .subscriptionNotLatest
                    ? 0 : request.int64("subVersion") ?? 0
                let group = request["consumerGroup"] ?? ""
                if type == "TAG" {
                    _ = try peer.ask(.heartbeat(group: group, topic: topic, version: subscribed))
                } else {
                    // Passes over the tags that `fill` gives to what Java did not find.
                    let expression = "TAGS IS NULL OR NOT (TAGS IN ('Y', 'Z'))"
                    _ = try peer.ask(.heartbeat(group: group, topic: topic, sql: expression, version: subscribed))
                    filteredCount += 1
                }
            }
            if wanted.remark == "OFFSET_RESET" {
                let reset = RemotingCommand(
                    .invokeBrokerToResetOffset,
                    [
                        "group": request["consumerGroup"] ?? "", "topic": topic, "queueId": request["queueId"] ?? "",
                        "offset": wanted["nextBeginOffset"] ?? "", "timestamp": "0", "isForce": "true",
                    ])
                #expect(try peer.ask(reset).responseCode == .success)
                resetCount += 1
            }
            let answer = try peer.ask(request)
            #expect(answer.code == wanted.code, "\(exchange.name): \(request.fields) \(answer.remark ?? "")")
            #expect(answer.remark == wanted.remark, "\(exchange.name)")
            let new: Set<String> = version == "4.9.8" ? ["topicSysFlag", "groupSysFlag"] : []
            #expect(answer.names.subtracting(new) == wanted.names, "\(exchange.name)")
            for name in ["nextBeginOffset", "maxOffset", "minOffset", "suggestWhichBrokerId"] {
                #expect(answer[name] == wanted[name], "\(exchange.name) \(name)")
            }
            #expect(try Pulled.all(answer).count == Pulled.all(wanted).count, "\(exchange.name)")
            compared[wanted.code, default: 0] += 1
        }
        for code: Int32 in [0, 19, 20, 21, 25] { #expect(compared[code, default: 0] > 0, "no answer \(code)") }
        #expect(filteredCount > 0)
        #expect(version == "4.9.8" || resetCount > 0)
    }

    /// Messages that make the answer what it was: as many as Java's queue held, tagged so that none matches where none did.
    private func fill(_ topic: String, for request: RemotingCommand, _ wanted: RemotingCommand, _ peer: RemotingPeer)
        throws
    {
        _ = try peer.ask(.topic(topic))
        let queue = Int(request["queueId"] ?? "0") ?? 0
        guard let count = wanted.int64("maxOffset") else { return }
        let found = try Pulled.all(wanted)
        let start = request.int64("queueOffset") ?? 0
        let end = wanted.int64("nextBeginOffset") ?? 0
        for offset in 0..<count {
            var tag = "Z"  // outside of what was looked at
            if start..<max(start, end) ~= offset {
                tag = found.first { $0.record.queueOffset == offset }?.properties["TAGS"] ?? (found.isEmpty ? "Z" : "Y")
            }
            if found.contains(where: { $0.record.queueOffset == offset && $0.properties["TAGS"] == nil }) { tag = "" }
            _ = try peer.ask(
                .put(topic, "m\(offset)", queue: queue, properties: tag.isEmpty ? "" : "TAGS\u{1}\(tag)\u{2}"))
        }
        var next: Int64 = 0
        while next < count {
            next = try #require(
                try peer.ask(.pull(topic, queue: queue, from: next, wait: 10_000)).int64("nextBeginOffset"))
        }
    }

    @Test(arguments: Golden.versions)
    func `recorded queries, offsets and send-backs get Java's answers`(version: String) throws {
        let running = try RunningBroker()
        let peer = try running.connect()
        let id = "FD0000000000000000000000000000022CC54E0E2F2A6853D5A30000"
        for group in ["gold_push", "gold_pull", "cpp_g", "cpp_pull", "gold_order", "gold_bcast"] {
            _ = try peer.ask(.heartbeat(group: group, topic: "gold_t"))
        }
        for topic in ["gold_t", "%RETRY%gold_push"] {
            _ = try peer.ask(.topic(topic))
            for number in 0..<9 {
                let properties = "KEYS\u{1}key\(number) key1\u{2}UNIQ_KEY\u{1}\(id)\(number)\u{2}"
                _ = try peer.ask(.put(topic, "m\(number)", queue: number % 2, properties: properties))
            }
            _ = try peer.ask(.pull(topic, wait: 10_000))
        }
        let first = try #require(Pulled.all(peer.ask(.pull("gold_t"))).first)
        var compared: [Int32: Int] = [:]
        for (exchange, wanted) in try Golden.asked([12, 15, 30, 31, 29, 33, 36], version: version) {
            var request = exchange.request
            let group = request["consumerGroup"] ?? request["group"]
            if let group { _ = try peer.ask(.heartbeat(group: group, topic: "gold_t")) }
            if let topic = request["topic"], topic != "gold_t", topic != "%RETRY%gold_push" {
                _ = try peer.ask(.topic(topic))
            }
            if request["offset"] != nil { request["offset"] = String(first.record.physicalOffset) }
            if request.code == 12 { request["key"] = request.bool("_UNIQUE_KEY_QUERY") ? id + "0" : "key1" }
            let answer = try peer.ask(request)
            #expect(answer.code == wanted.code, "\(exchange.name): \(request.fields) \(answer.remark ?? "")")
            #expect(answer.names == wanted.names, "\(exchange.name)")
            if wanted.remark != "" { #expect(answer.remark == wanted.remark, "\(exchange.name)") }
            #expect(try Pulled.all(answer).isEmpty == Pulled.all(wanted).isEmpty, "\(exchange.name)")
            compared[request.code, default: 0] += 1
        }
        for code: Int32 in [12, 15, 30, 31, 29, 33, 36] {
            #expect(compared[code, default: 0] > 0, "no request \(code)")
        }
    }
}

extension Golden {
    /// Requests of these codes to brokers with their answers, in order.
    fileprivate static func asked(_ codes: Set<Int32>, version: String) throws -> [(
        exchange: Exchange, wanted: RemotingCommand
    )] {
        try exchanges(version: version, with: "broker").compactMap { exchange in
            guard codes.contains(exchange.request.code), let answer = exchange.answer else { return nil }
            return (exchange, answer)
        }
    }
}
