import MQProtocol
import MQTestKit
import Testing

@testable import MQBroker

/// Goal: who asks for too much is told so with the codes and the words that RocketMQ's clients know.
@Suite struct FlowControlTests {
    @Test func `requests over what may wait are refused, and others are not`() throws {
        let control = try RunningControl(["adminBrokerThreadPoolQueueCapacity": "0"])
        let peer = try control.connect()
        control.store.put("t", 0, max: 3)
        let busy = try peer.ask(
            RemotingCommand(.searchOffsetByTimestamp, ["topic": "t", "queueId": "0", "timestamp": "1"]))
        #expect(busy.responseCode == .systemBusy)
        #expect(busy.remark == "[OVERLOAD]system busy, start flow control for a while")
        let reset = try peer.ask(
            RemotingCommand(.invokeBrokerToResetOffset, ["group": "g", "topic": "t", "timestamp": "0"]))
        #expect(reset.responseCode == .systemBusy && reset.remark == busy.remark)
        let quick = try peer.ask(RemotingCommand(.getMaxOffset, ["topic": "t", "queueId": "0"]))
        #expect(quick["offset"] == "3")
        var unknown = RemotingCommand(.getMaxOffset)
        unknown.code = 9999
        let answer = try peer.ask(unknown)
        #expect(answer.responseCode == .requestCodeNotSupported)
        #expect(answer.remark == " request type 9999 not supported")
    }

    @Test func `what a broker cannot keep any more of is refused, and what it has stays`() throws {
        var limits = BrokerLimits()
        limits.offsetsMax = 2
        let control = try RunningControl(limits: limits)
        let peer = try control.connect()
        _ = try peer.ask(.heartbeat("one", consumers: [.group("g", "t")]))
        _ = try peer.ask(RemotingCommand.topic("t"))
        for queue in 0..<3 { control.store.put("t", queue, max: 10) }
        func commit(_ queue: Int, _ offset: Int) throws -> RemotingCommand {
            try peer.ask(
                RemotingCommand(
                    .updateConsumerOffset,
                    ["consumerGroup": "g", "topic": "t", "queueId": "\(queue)", "commitOffset": "\(offset)"]))
        }
        #expect(try commit(0, 5).responseCode == .success)
        #expect(try commit(1, 6).responseCode == .success)
        let full = try commit(2, 7)
        #expect(full.responseCode == .systemBusy && full.remark == "this broker keeps at most 2 offsets")
        #expect(try commit(0, 8).responseCode == .success)
        #expect(control.offsets.offsets(group: "g", topic: "t") == [0: 8, 1: 6])
        let clone = try peer.ask(
            RemotingCommand(.cloneGroupOffset, ["srcGroup": "g", "destGroup": "h", "topic": "t", "offline": "true"]))
        #expect(clone.responseCode == .systemBusy)
    }
}
