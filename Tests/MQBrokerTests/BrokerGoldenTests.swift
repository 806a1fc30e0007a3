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
        for pair in try BrokerGolden.pairs(version) where [10, 310, 320].contains(pair.request.code) {
            let properties = pair.request["i"] ?? pair.request["properties"] ?? ""
            if properties.contains("TRAN_MSG\u{1}true") || properties.contains("TIMER_") { continue }  // not served yet
            peer.send(pair.bytes)
            let answer = try peer.receive()
            #expect(answer.code == pair.answer.code, "\(pair.name): \(answer.remark ?? "")")
            #expect(answer.opaque == pair.request.opaque && answer.flag == 1, "\(pair.name)")
            // 4.9 does not answer with a transactionId; its clients pass over names they do not know.
            let new: Set<String> = version == "4.9.8" ? ["transactionId"] : []
            #expect(answer.names.subtracting(new) == pair.answer.names.subtracting(["recallHandle"]), "\(pair.name)")
            for name in ["queueId", "transactionId", "TRACE_ON", "MSG_REGION"] where pair.answer[name] != nil {
                if name == "transactionId", pair.request.code == 320 { continue }  // Java makes one for the batch
                #expect(answer[name] == pair.answer[name], "\(pair.name) \(name)")
            }
            let ids = [answer, pair.answer].map { $0["msgId"]?.split(separator: ",").map(\.count) }
            #expect(ids[0] == ids[1], "\(pair.name)")
            compared += 1
        }
        #expect(compared > 8)
    }

    @Test(arguments: Golden.versions)
    func `recorded pulls get Java's answers`(version: String) throws {
        let running = try RunningBroker()
        let peer = try running.connect()
        var compared: [Int32: Int] = [:]
        for (number, pair) in try BrokerGolden.pairs(version).enumerated() where pair.request.code == 11 {
            let type = pair.request["expressionType"] ?? "TAG"
            // Not served yet: SQL92, and offsets that an administrator sets at the broker.
            if type != "TAG" || pair.answer.remark == "OFFSET_RESET" { continue }
            // Each pull gets a topic of its own, with as many messages as Java's queue had.
            var request = pair.request
            let topic = "gold_\(number)"
            request["topic"] = topic
            request["suspendTimeoutMillis"] = "100"  // clients wait 15 s
            try fill(topic, for: pair, peer)
            if Int32(request["sysFlag"] ?? "0")! & 4 == 0 {
                let wanted =
                    pair.answer.responseCode == .subscriptionNotLatest
                    ? 0 : request.int64("subVersion") ?? 0
                _ = try peer.ask(.heartbeat(group: request["consumerGroup"] ?? "", topic: topic, version: wanted))
            }
            let answer = try peer.ask(request)
            #expect(answer.code == pair.answer.code, "\(pair.name): \(request.fields) \(answer.remark ?? "")")
            #expect(answer.remark == pair.answer.remark, "\(pair.name)")
            let new: Set<String> = version == "4.9.8" ? ["topicSysFlag", "groupSysFlag"] : []
            #expect(answer.names.subtracting(new) == pair.answer.names, "\(pair.name)")
            for name in ["nextBeginOffset", "maxOffset", "minOffset", "suggestWhichBrokerId"] {
                #expect(answer[name] == pair.answer[name], "\(pair.name) \(name)")
            }
            #expect(try Pulled.all(answer).count == Pulled.all(pair.answer).count, "\(pair.name)")
            compared[pair.answer.code, default: 0] += 1
        }
        for code: Int32 in [0, 19, 20, 21, 25] { #expect(compared[code, default: 0] > 0, "no answer \(code)") }
    }

    /// Messages that make the answer what it was: as many as Java's queue held, tagged so that none matches where none did.
    private func fill(_ topic: String, for pair: BrokerGolden.Pair, _ peer: BrokerPeer) throws {
        _ = try peer.ask(.topic(topic))
        let queue = Int(pair.request["queueId"] ?? "0") ?? 0
        guard let count = pair.answer.int64("maxOffset") else { return }
        let found = try Pulled.all(pair.answer)
        let start = pair.request.int64("queueOffset") ?? 0
        let end = pair.answer.int64("nextBeginOffset") ?? 0
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
        for pair in try BrokerGolden.pairs(version) where [12, 15, 30, 31, 29, 33, 36].contains(pair.request.code) {
            var request = pair.request
            let group = request["consumerGroup"] ?? request["group"]
            if let group { _ = try peer.ask(.heartbeat(group: group, topic: "gold_t")) }
            if let topic = request["topic"], topic != "gold_t", topic != "%RETRY%gold_push" {
                _ = try peer.ask(.topic(topic))
            }
            if request["offset"] != nil { request["offset"] = String(first.record.physicalOffset) }
            if request.code == 12 { request["key"] = request.bool("_UNIQUE_KEY_QUERY") ? id + "0" : "key1" }
            let answer = try peer.ask(request)
            #expect(answer.code == pair.answer.code, "\(pair.name): \(request.fields) \(answer.remark ?? "")")
            #expect(answer.names == pair.answer.names, "\(pair.name)")
            if pair.answer.remark != "" { #expect(answer.remark == pair.answer.remark, "\(pair.name)") }
            #expect(try Pulled.all(answer).isEmpty == Pulled.all(pair.answer).isEmpty, "\(pair.name)")
            compared[request.code, default: 0] += 1
        }
        for code: Int32 in [12, 15, 30, 31, 29, 33, 36] {
            #expect(compared[code, default: 0] > 0, "no request \(code)")
        }
    }
}

/// Frames recorded between Java processes and a Java broker.
enum BrokerGolden {
    struct Pair {
        let name: String
        /// As it was sent.
        let bytes: [UInt8]
        let request: RemotingCommand
        let answer: RemotingCommand
    }

    /// Requests to brokers with their answers, in order.
    static func pairs(_ version: String) throws -> [Pair] {
        let frames = try Golden.frames(version: version)
        var answers: [Int: RemotingCommand] = [:]
        for frame in frames where frame.kind == "response" {
            if let pair = frame.pair { answers[pair] = try RemotingCommand(frame: frame.bytes.span) }
        }
        return try frames.compactMap { frame in
            guard frame.kind == "request", frame.to.hasPrefix("broker"), let pair = frame.pair,
                let answer = answers[pair]
            else { return nil }
            return Pair(
                name: frame.name, bytes: frame.bytes, request: try RemotingCommand(frame: frame.bytes.span),
                answer: answer)
        }
    }
}
