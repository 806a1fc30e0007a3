import Foundation
import MQBase
import MQMessage
import MQProtocol
import MQRemoting
import MQSystem
import MQTestKit
import Synchronization
import Testing

@testable import MQBroker

/// Goal: an administrator moves a group, its consumers hear of it, and nothing they say meanwhile moves it back.
@Suite struct ResetTests {
    private func filled(_ keys: [String: String] = [:], count: Int = 20) throws -> (RunningBroker, RemotingPeer) {
        let running = try RunningBroker(keys)
        let peer = try running.connect()
        for number in 0..<count { _ = try peer.ask(.put("t", "\(number)")) }
        var next: Int64 = 0
        while next < count {
            next = try #require(try peer.ask(.pull("t", from: next, wait: 10_000)).int64("nextBeginOffset"))
        }
        _ = try peer.ask(.heartbeat(group: "g", topic: "t"))
        return (running, peer)
    }

    private func reset(_ fields: [String: String]) -> RemotingCommand {
        var command = RemotingCommand(.invokeBrokerToResetOffset, ["group": "g", "topic": "t", "isForce": "true"])
        for (name, value) in fields { command[name] = value }
        return command
    }

    private func commit(_ offset: Int64, _ peer: RemotingPeer) throws -> RemotingCommand {
        try peer.ask(
            RemotingCommand(
                .updateConsumerOffset,
                ["consumerGroup": "g", "topic": "t", "queueId": "0", "commitOffset": String(offset)]))
    }

    private func offset(_ peer: RemotingPeer, group: String = "g") throws -> Int64? {
        try peer.ask(
            RemotingCommand(.queryConsumerOffset, ["consumerGroup": group, "topic": "t", "queueId": "0"])
        ).int64("offset")
    }

    private func table(_ answer: RemotingCommand) throws -> [Int: Int64] {
        let body = try ResetOffsetBody(parsing: answer.body)
        return Dictionary(uniqueKeysWithValues: body.offsetTable.map { ($0.key.queueID, $0.value) })
    }

    @Test func `the next pull hears of a reset, once, and commits of before do not count`() throws {
        let (running, peer) = try filled()
        _ = try commit(15, peer)
        let answer = try peer.ask(reset(["queueId": "0", "offset": "4", "timestamp": "-1"]))
        #expect(answer.responseCode == .success && answer.remark == nil)
        #expect(try table(answer) == [0: 4])
        #expect(try offset(peer) == 4)
        let late = try commit(16, peer)
        #expect(late.responseCode == .success && late.remark == "Offset has been previously reset")
        #expect(try offset(peer) == 4)
        // A pull that brings a commit with it, as consumers do.
        let told = try peer.ask(.pull("t", from: 16, group: "g", with: ["sysFlag": "5", "commitOffset": "16"]))
        #expect(told.responseCode == .pullOffsetMoved && told.remark == "OFFSET_RESET")
        #expect(told.int64("nextBeginOffset") == 4 && told.int64("maxOffset") == 20 && told.int64("minOffset") == 0)
        #expect(try offset(peer) == 4)
        let next = try peer.ask(.pull("t", from: 4, group: "g"))
        #expect(try Pulled.all(next).first?.text == "4")
        _ = try commit(5, peer)
        #expect(try offset(peer) == 5, "from here on commits count again")
        try running.restart()
        #expect(try offset(running.connect()) == 5)
    }

    @Test func `no commit comes between a reset and the group's next pull`() throws {
        let offsets = try ControlMachines.offsets()
        let isOver = Atomic<Bool>(false)
        let consumer = Thread("consumer") {
            while !isOver.load(ordering: .relaxed) {
                _ = offsets.consumed(group: "g", topic: "t", queueID: 0, offset: 9999, end: 9999, by: "")
            }
        }
        for wanted in 0..<Int64(2000) {
            #expect(offsets.reset(group: "g", topic: "t", queueID: 0, to: wanted))
            for _ in 0..<10 { #expect(offsets.query(group: "g", topic: "t", queueID: 0) == wanted) }
            #expect(offsets.takeReset(group: "g", topic: "t", queueID: 0) == wanted)
        }
        isOver.store(true, ordering: .relaxed)
        consumer.join()
        let late = offsets.consumed(group: "g", topic: "t", queueID: 0, offset: 9999, end: 9999, by: "")
        #expect(late != .isReset && offsets.query(group: "g", topic: "t", queueID: 0) == 9999)
    }

    @Test func `a commit behind a queue's end counts as its end, so that what comes later is not passed over`() throws {
        let (running, peer) = try filled()
        defer { running.stop() }
        #expect(try commit(5000, peer).responseCode == .success)
        #expect(try offset(peer) == 20)
        _ = try commit(3, peer)
        // As a pull brings it along.
        let told = try peer.ask(.pull("t", from: 5000, group: "g", with: ["sysFlag": "5", "commitOffset": "5000"]))
        #expect(told.responseCode == .pullOffsetMoved && told.int64("nextBeginOffset") == 20)
        #expect(try offset(peer) == 20)
        _ = try peer.ask(.put("t", "later"))
        let next = try #require(try offset(peer))
        #expect(try Pulled.all(peer.ask(.pull("t", from: next, wait: 10_000))).map(\.text) == ["later"])
        let unused = RemotingCommand(
            .updateConsumerOffset, ["consumerGroup": "g", "topic": "t", "queueId": "3", "commitOffset": "7"])
        #expect(try peer.ask(unused).responseCode == .success)
        let asked = RemotingCommand(.queryConsumerOffset, ["consumerGroup": "g", "topic": "t", "queueId": "3"])
        #expect(try peer.ask(asked)["offset"] == "0", "a queue without messages ends at 0")
    }

    @Test func `a parked pull hears of a reset at once`() throws {
        let (running, peer) = try filled()
        defer { running.stop() }
        let waiter = try running.connect()
        waiter.post(.pull("t", from: 20, group: "g", wait: 15_000))
        _ = try waiter.ask(RemotingCommand(.getMaxOffset, ["topic": "t", "queueId": "0"]))
        _ = try peer.ask(reset(["queueId": "0", "offset": "7"]))
        let told = try waiter.receive()
        #expect(told.remark == "OFFSET_RESET" && told.int64("nextBeginOffset") == 7)
    }

    @Test func `by time, and to the end`() throws {
        let (running, peer) = try filled()
        defer { running.stop() }
        #expect(try table(peer.ask(reset(["timestamp": "0"]))) == [0: 0, 1: 0, 2: 0, 3: 0])
        #expect(try table(peer.ask(reset(["timestamp": "-1"]))) == [0: 20, 1: 0, 2: 0, 3: 0], "skips what is there")
        let future = String(SystemClock.wall().rawValue + 3_600_000)
        #expect(try table(peer.ask(reset(["timestamp": future])))[0] == 20)
        #expect(try offset(peer) == 20)
    }

    @Test func `what cannot be reset is refused in RocketMQ's words`() throws {
        let (running, peer) = try filled()
        defer { running.stop() }
        let cases: [([String: String], ResponseCode, String)] = [
            (["topic": "none"], .topicNotExist, "Topic none does not exist"),
            (["group": "none"], .subscriptionGroupNotExist, "Group none does not exist"),
            (
                ["queueId": "0", "offset": "22"], .systemError,
                "Target offset 22 not in consume queue range [0-20]"
            ),
            (["queueId": "0", "offset": "x"], .invalidParameter, "the custom field <offset> is not a number: x"),
        ]
        for (fields, code, remark) in cases {
            let answer = try peer.ask(reset(fields))
            #expect(answer.responseCode == code, "\(fields)")
            #expect(answer.remark == remark, "\(fields)")
        }
        #expect(try offset(peer) == 0)
    }

    @Test func `where consumers reset themselves they are told, each in the form it reads`() throws {
        let (running, peer) = try filled(["useServerSideResetOffset": "false"])
        let unknown = try peer.ask(reset(["timestamp": "0"]))
        #expect(unknown.responseCode == .systemError && unknown.remark == "THe consumer group <g> not exist")
        for queue in 0..<4 {
            _ = try peer.ask(
                RemotingCommand(
                    .updateConsumerOffset,
                    ["consumerGroup": "g", "topic": "t", "queueId": "\(queue)", "commitOffset": queue == 0 ? "9" : "0"])
            )
        }
        var cpp = RemotingCommand.heartbeat("cpp", consumers: [.group("g", "t")])
        cpp.language = .cpp
        let other = try running.connect()
        _ = try other.ask(cpp)
        let answer = try peer.ask(reset(["timestamp": "0"]))
        #expect(try table(answer) == [0: 0, 1: 0, 2: 0, 3: 0])
        for client in [peer, other] {
            var push = try client.nextNotice()
            while push.requestCode == .notifyConsumerIDsChanged { push = try client.nextNotice() }
            #expect(push.requestCode == .resetConsumerClientOffset && push.isOneWay)
            #expect(
                push["topic"] == "t" && push["group"] == "g" && push["timestamp"] == "0" && push["isForce"] == "true")
            #expect(try table(push) == [0: 0, 1: 0, 2: 0, 3: 0])
            let isList = String(decoding: push.body, as: UTF8.self).contains("\"offsetTable\":[")
            #expect(isList == (client === other))
        }
        #expect(try offset(peer) == 9, "the consumers commit it")
        var careful = reset(["timestamp": "-1"])
        careful["isForce"] = "false"
        #expect(try table(peer.ask(careful))[0] == 9, "never forward without force")
        other.hangUp()
        peer.hangUp()
        let third = try running.connect()
        try eventuallyNow("nobody is there") {
            let answer = try third.ask(reset(["timestamp": "0"]))
            return answer.responseCode == .consumerNotOnline
                && answer.remark == "Consumer not online, so can not reset offset, Group: g Topic: t Timestamp: 0"
        }
    }

    @Test func `a group is cloned, and the slowest group found`() throws {
        let (running, peer) = try filled()
        defer { running.stop() }
        _ = try commit(12, peer)
        let clone = RemotingCommand(
            .cloneGroupOffset, ["srcGroup": "g", "destGroup": "h", "topic": "t", "offline": "false"])
        #expect(try peer.ask(clone).responseCode == .success)
        #expect(try offset(peer, group: "h") == 12)
        _ = try commit(18, peer)
        func corrections(_ compared: String, without: String = "") throws -> [Int32: Int64] {
            let answer = try peer.ask(
                RemotingCommand(
                    .queryCorrectionOffset, ["topic": "t", "compareGroup": compared, "filterGroups": without]))
            #expect(answer.responseCode == .success)
            return try QueryCorrectionOffsetBody(parsing: answer.body).correctionOffsets
        }
        #expect(try corrections("g") == [0: 12])
        #expect(try corrections("g", without: "h") == [0: 18])
        #expect(try corrections("h", without: "h") == [0: .max], "the compared one is behind the others")
        #expect(try corrections("nobody") == [0: 12])
        var bad = clone
        bad["destGroup"] = "a/b"
        #expect(try peer.ask(bad).responseCode == .invalidParameter)
    }

    @Test func `members are asked how far they are`() throws {
        let (running, peer) = try filled()
        let admin = try running.connect()
        admin.post(RemotingCommand(.invokeBrokerToGetConsumerStatus, ["group": "g", "topic": "t", "clientAddr": ""]))
        var asked = try peer.nextNotice()
        while asked.requestCode == .notifyConsumerIDsChanged { asked = try peer.nextNotice() }
        #expect(asked.requestCode == .getConsumerStatusFromClient && asked["topic"] == "t" && asked["group"] == "g")
        let queue = MessageQueue(topic: "t", brokerName: "broker-a", queueID: 0)
        var answer = RemotingCommand(
            .success, body: GetConsumerStatusBody(messageQueueTable: [queue: 5]).encoded())
        answer.opaque = asked.opaque
        answer.flag = 1
        peer.send(answer.frame())
        let status = try GetConsumerStatusBody(parsing: admin.receive().body)
        #expect(status.consumerTable == ["127.0.0.1@test": [queue: 5]])
        let nobody = try admin.ask(RemotingCommand(.invokeBrokerToGetConsumerStatus, ["group": "x", "topic": "t"]))
        #expect(nobody.remark == "No Any Consumer online in the consumer group: [x]")
    }
}
