import MQBase
import MQMessage
import MQProtocol
import MQTestKit
import Testing

@testable import MQBroker

extension RemotingCommand {
    static func pop(
        _ topic: String, queue: Int = -1, group: String = "g", max: Int = 32, invisible: Int64 = 60_000,
        poll: Int64 = 0, fromStart: Bool = true, order: Bool = false, with changes: [String: String?] = [:]
    ) -> RemotingCommand {
        var command = RemotingCommand(
            .popMessage,
            [
                "consumerGroup": group, "topic": topic, "queueId": String(queue), "maxMsgNums": String(max),
                "invisibleTime": String(invisible), "pollTime": String(poll), "bornTime": "0",
                "initMode": fromStart ? "0" : "1", "expType": "TAG", "exp": "*", "order": String(order),
            ])
        for (name, value) in changes { command[name] = value }
        return command
    }

    static func ack(_ message: Popped, group: String = "g", with changes: [String: String?] = [:]) -> RemotingCommand {
        var command = RemotingCommand(
            .ackMessage,
            [
                "consumerGroup": group, "topic": message.storedTopic(group), "queueId": String(message.queue),
                "extraInfo": message.handle, "offset": String(message.offset),
            ])
        for (name, value) in changes { command[name] = value }
        return command
    }

    static func change(_ message: Popped, to invisible: Int64, group: String = "g") -> RemotingCommand {
        var command = ack(message, group: group)
        command.code = RequestCode.changeMessageInvisibleTime.rawValue
        command["invisibleTime"] = String(invisible)
        return command
    }

    /// The group's progress.
    static func progress(_ topic: String, queue: Int = 0, group: String = "g") -> RemotingCommand {
        RemotingCommand(
            .queryConsumerOffset,
            ["consumerGroup": group, "topic": topic, "queueId": String(queue), "setZeroIfNotFound": "false"])
    }
}

/// A popped message with the handle that RocketMQ's Java client makes for it. Source: `MQClientAPIImpl.java`
/// `processPopResponse`, RocketMQ 5.3.
struct Popped {
    let message: Pulled
    /// Which topic asked for it.
    let topic: String
    var handle: String
    let times: Int32

    var text: String { message.text }
    var parts: [String] { handle.split(separator: " ").map(String.init) }
    var queue: Int { Int(parts[6]) ?? -1 }
    var offset: Int64 { Int64(parts[7]) ?? -1 }

    /// The topic that an ack names.
    func storedTopic(_ group: String) -> String {
        switch parts[4] {
        case "1": "%RETRY%\(group)_\(topic)"
        case "2": "%RETRY%\(group)+\(topic)"
        default: topic
        }
    }

    /// The messages of a pop's answer.
    static func all(_ answer: RemotingCommand, topic: String) throws -> [Popped] {
        func table(_ field: String) -> [String: String] {
            let entries = (answer[field] ?? "").split(separator: ";").map { $0.split(separator: " ") }
            for entry in entries { #expect(entry.count == 3, "\(answer)") }
            return Dictionary(
                entries.map { ("\($0[0])@\($0[1])", String($0[2])) },
                uniquingKeysWith: { first, _ in
                    Issue.record("twice in \(field)")
                    return first
                })
        }
        let (starts, offsets, counts) = (table("startOffsetInfo"), table("msgOffsetInfo"), table("orderCountInfo"))
        return try Pulled.all(answer).map { message in
            let record = message.record
            let kind = message.topic.hasPrefix("%RETRY%") ? (message.topic.contains("+") ? "2" : "1") : "0"
            let key = "\(kind)@\(record.queueID)"
            if let handle = message.properties["POP_CK"] {
                return Popped(message: message, topic: topic, handle: handle, times: record.reconsumeTimes)
            }
            #expect(offsets[key]?.split(separator: ",").contains("\(record.queueOffset)") == true, "\(answer)")
            let start = try #require(starts[key])
            let handle = [
                start, answer["popTime"] ?? "", answer["invisibleTime"] ?? "", answer["reviveQid"] ?? "", kind,
                "broker-a", "\(record.queueID)", "\(record.queueOffset)",
            ].joined(separator: " ")
            let count = counts["\(kind)@qo\(record.queueID)%\(record.queueOffset)"] ?? counts[key] ?? "0"
            return Popped(
                message: message, topic: topic, handle: handle,
                times: counts.isEmpty ? record.reconsumeTimes : Int32(count) ?? -1)
        }
    }
}

extension RemotingPeer {
    /// What a pop brings; an answer that there is nothing is no failure.
    func pop(_ request: RemotingCommand) throws -> [Popped] {
        let answer = try ask(request)
        guard answer.responseCode == .success else {
            #expect(answer.responseCode == .pollingTimeout || answer.responseCode == .pollingFull, "\(answer)")
            return []
        }
        return try Popped.all(answer, topic: request["topic"] ?? "")
    }

    /// Pops until something comes.
    func popSome(_ request: RemotingCommand, tries: Int = 200) throws -> [Popped] {
        var request = request
        request["pollTime"] = "200"
        for _ in 0..<tries {
            let found = try pop(request)
            if !found.isEmpty { return found }
        }
        throw TestFailure("nothing to pop in \(request["topic"] ?? "")")
    }

    /// Sends messages and waits until they can be popped.
    func fill(_ topic: String, _ bodies: [String], queue: Int = 0, tag: String = "") throws {
        var end: Int64 = 0
        for body in bodies {
            let sent = try ask(.put(topic, body, queue: queue, properties: tag.isEmpty ? "" : "TAGS\u{1}\(tag)\u{2}"))
            #expect(sent.responseCode == .success)
            end = try #require(sent.int64("queueOffset")) + 1
        }
        var next: Int64 = 0
        while next < end {
            next = try #require(
                try ask(.pull(topic, queue: queue, from: next, group: "filler", wait: 10_000)).int64("nextBeginOffset"))
        }
    }

    func ackAll(_ messages: [Popped], group: String = "g") throws {
        for message in messages { #expect(try ask(.ack(message, group: group)).responseCode == .success) }
    }
}
