import Foundation
import MQBase
import MQMessage
import MQProtocol
import MQRemoting
import MQTestKit
import Testing

@testable import MQBroker

/// Goal: a reply reaches the producer that waits for it, and the replier hears whether it did.
@Suite struct ReplyTests {
    private let topic = "DefaultCluster_REPLY_TOPIC"

    private func reply(to client: String?, code: RequestCode = .sendReplyMessageV2) -> RemotingCommand {
        let to = client.map { "REPLY_TO_CLIENT\u{1}\($0)\u{2}" } ?? ""
        let properties = "MSG_TYPE\u{1}reply\u{2}CORRELATION_ID\u{1}c1\u{2}" + to
        var command = RemotingCommand.put(topic, "answer", properties: properties)
        command.code = code.rawValue
        guard code == .sendReplyMessage else { return command }
        let names = [
            "a": "producerGroup", "b": "topic", "c": "defaultTopic", "d": "defaultTopicQueueNums", "e": "queueId",
            "f": "sysFlag", "g": "bornTimestamp", "h": "flag", "i": "properties", "j": "reconsumeTimes",
            "k": "unitMode",
            "m": "batch",
        ]
        for field in command.fields {
            command[field.name] = nil
            command[names[field.name] ?? field.name] = field.value
        }
        return command
    }

    /// Answers the next push with `code` and returns it.
    private func takePush(_ requester: RemotingPeer, _ code: ResponseCode = .success) throws -> RemotingCommand {
        let push = try requester.nextNotice()
        var answer = RemotingCommand(code)
        answer.opaque = push.opaque
        answer.flag = 1
        requester.send(answer.frame())
        return push
    }

    @Test(arguments: [RequestCode.sendReplyMessage, .sendReplyMessageV2])
    func `a reply is pushed to its requester and stored`(code: RequestCode) throws {
        let running = try RunningBroker()
        let (requester, replier) = (try running.connect(), try running.connect())
        _ = try requester.ask(.heartbeat("1.2.3.4@r", producers: ["p"]))
        replier.post(reply(to: "1.2.3.4@r", code: code))
        let push = try takePush(requester)
        #expect(push.requestCode == .pushReplyMessageToClient && !push.isOneWay)
        #expect(push.body == Array("answer".utf8) && push["topic"] == topic && push["producerGroup"] == "producers")
        let properties = Properties.list(Array((push["properties"] ?? "").utf8).span)
        #expect(properties.first { $0.name == "CORRELATION_ID" }?.value == "c1")
        #expect(Int64(properties.first { $0.name == "PUSH_REPLY_TIME" }?.value ?? "") ?? 0 > 0)
        #expect(push["bornHost"]?.hasPrefix("127.0.0.1:") == true && push.int64("storeTimestamp") ?? 0 > 0)
        #expect(push["storeHost"] == "127.0.0.1:\(running.port)")
        let answer = try replier.receive()
        #expect(answer.responseCode == .success && answer["msgId"] == "0" && answer["queueOffset"] == "0")
        let stored = try replier.ask(.pull(topic, wait: 10_000))
        #expect(try Pulled.all(stored).map(\.text) == ["answer"])
    }

    @Test func `who cannot be reached is told to the replier`() throws {
        let running = try RunningBroker()
        let (requester, replier) = (try running.connect(), try running.connect())
        let missing = try replier.ask(reply(to: "nobody"))
        #expect(missing.responseCode == .systemError)
        #expect(missing.remark == "push reply message fail, channel of <nobody> not found.")
        #expect(try replier.ask(reply(to: nil)).remark == "reply message properties[REPLY_TO_CLIENT] is null")
        _ = try requester.ask(.heartbeat("r", producers: ["p"]))
        replier.post(reply(to: "r"))
        _ = try takePush(requester, .systemError)
        #expect(try replier.receive().remark == "push reply message to rfail.")
        requester.hangUp()
        try eventuallyNow("the requester is gone") {
            try replier.ask(reply(to: "r")).remark == "push reply message fail, channel of <r> not found."
        }
        // Stored all the same: the requester may look for it.
        try eventuallyNow("they are in the queue") {
            try replier.ask(RemotingCommand(.getMaxOffset, ["topic": topic, "queueId": "0"])).int64("offset") ?? 0 >= 4
        }
    }

    @Test func `a reply that may not be sent is not pushed, and one is not stored if the broker is told so`() throws {
        let running = try RunningBroker(["storeReplyMessageEnable": "false"])
        let (requester, replier) = (try running.connect(), try running.connect())
        _ = try requester.ask(.heartbeat("r", producers: ["p"]))
        replier.post(reply(to: "r"))
        _ = try takePush(requester)
        #expect(try replier.receive().responseCode == .success)
        #expect(try replier.ask(RemotingCommand(.getMaxOffset, ["topic": topic, "queueId": "0"])).int64("offset") == 0)
        var wrong = reply(to: "r")
        wrong["b"] = "no_such_topic"
        #expect(try replier.ask(wrong).responseCode == .topicNotExist)
        var bad = reply(to: "r")
        bad["e"] = "many"
        #expect(try replier.ask(bad).responseCode == .systemError)
    }
}
