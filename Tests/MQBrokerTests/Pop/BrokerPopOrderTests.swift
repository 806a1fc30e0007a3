import Foundation
import MQBase
import MQConfig
import MQJSON
import MQMessage
import MQProtocol
import MQTestKit
import Testing

@testable import MQBroker

/// Pops in order, what a Java broker leaves, and who is told to pop what, against a whole broker.
@Suite struct BrokerPopOrderTests {
    private let running: RunningBroker
    private let peer: RemotingPeer

    init() throws {
        running = try RunningBroker()
        peer = try running.connect()
    }

    private func ordered(
        _ max: Int = 2, poll: Int64 = 0, attempt: String? = nil, invisible: Int64 = 60_000
    ) -> RemotingCommand {
        .pop("t", queue: 0, max: max, invisible: invisible, poll: poll, order: true, with: ["attemptId": attempt])
    }

    @Test func `in order, the next messages come when the earlier are acknowledged`() throws {
        try peer.fill("t", ["a", "b", "c"])
        let answer = try peer.ask(ordered())
        #expect(answer["reviveQid"] == "999" && answer["orderCountInfo"] == "0 0 0")
        let first = try Popped.all(answer, topic: "t")
        try #require(first.map(\.text) == ["a", "b"])
        #expect(try peer.pop(ordered()).isEmpty)
        // Who waits is woken by the ack.
        let waiter = try running.connect()
        waiter.post(ordered(poll: 15_000))
        let info = RemotingCommand(.pollingInfo, ["consumerGroup": "g", "topic": "t", "queueId": "0"])
        while try peer.ask(info).int64("pollingNum") != 1 {}
        try peer.ackAll([first[1]])
        #expect(try peer.ask(.progress("t")).int64("offset") == 0)
        try peer.ackAll([first[0]])
        #expect(try Popped.all(try waiter.receive(), topic: "t").map(\.text) == ["c"])
        #expect(try peer.ask(.progress("t")).int64("offset") == 2)
        let wrong = try peer.ask(.ack(first[0], with: ["offset": "3"]))
        #expect(wrong.responseCode == .success)  // of an earlier pop: passed over
    }

    @Test func `in order, the same attempt gets the same, and others wait until its time is over`() throws {
        try peer.fill("t", ["a", "b"])
        #expect(try peer.pop(ordered(attempt: "x", invisible: 4000)).map(\.text) == ["a", "b"])
        #expect(try peer.pop(ordered(attempt: "x", invisible: 4000)).map(\.text) == ["a", "b"])
        #expect(try peer.pop(ordered(attempt: "y")).isEmpty)
        let again = try peer.popSome(ordered(attempt: "y"))
        try #require(again.map(\.text) == ["a", "b"] && again.map(\.times) == [1, 1])
        let illegal = try peer.ask(.ack(again[0], with: ["offset": "2"]))
        #expect(illegal.responseCode == .messageIllegal)
        #expect(illegal.remark?.hasPrefix("offset is illegal, key:t@g@0, old:0, commit:2, next:-1, ") == true)
        let longer = try peer.ask(.change(again[0], to: 60_000))
        #expect(longer["reviveQid"] == "999" && longer["popTime"] == again[0].parts[1])
    }

    @Test func `in order, what is acknowledged does not come again, whoever pops less or more behind it`() throws {
        try peer.fill("t", ["a", "b", "c", "d", "e"])
        func pop(max: Int) throws -> [Popped] {
            try peer.pop(
                .pop("t", queue: 0, max: max, invisible: 60_000, order: true, with: ["attemptId": "same"]))
        }
        var all = try pop(max: 5)
        try #require(all.map(\.text) == ["a", "b", "c", "d", "e"])
        try peer.ackAll([all[1], all[3]])
        #expect(try pop(max: 5).map(\.text) == ["a", "c", "e"])
        all = try pop(max: 1)
        #expect(all.map(\.text) == ["a"])
        try running.restart()
        let later = try running.connect()
        #expect(
            try later.pop(
                .pop("t", queue: 0, max: 2, invisible: 60_000, order: true, with: ["attemptId": "same"])
            ).map(\.text) == ["a"], "the second of two is acknowledged")
        let last = try later.pop(
            .pop("t", queue: 0, invisible: 60_000, order: true, with: ["attemptId": "same"]))
        #expect(last.map(\.text) == ["a", "c", "e"] && last.map(\.times) == [0, 0, 0])
        try later.ackAll(last)
        #expect(try later.ask(.progress("t")).int64("offset") == 5)
    }

    @Test func `in order, a restart forgets neither acks nor who must wait`() throws {
        try peer.fill("t", ["a", "b", "c"])
        let first = try peer.pop(
            .pop("t", queue: 0, max: 2, invisible: 60_000, order: true))
        try #require(first.count == 2)
        try peer.ackAll([first[0]])
        try running.restart()
        let later = try running.connect()
        #expect(try later.pop(ordered()).isEmpty)
        #expect(try later.ask(.progress("t")).int64("offset") == 1)
        let file = running.folder.appending(path: "config/consumerOrderInfo.json")
        #expect(try String(contentsOf: file, encoding: .utf8).contains("\"t@g\""))
        try later.ackAll([first[1]])
        #expect(try later.pop(ordered()).map(\.text) == ["c"])
    }

    @Test func `the file of ordered pops is Java's`() throws {
        let text = """
            {"table":{"t@g":{0:{"a":"x","cm":1,"i":3000,"l":7,"o":[5,1,3],"oc":{6:2},"ot":{8:99},"popTime":6}}}}
            """
        let pops = OrderInfoFile.pops(try JSON(parsing: Array(text.utf8)))
        #expect(pops.count == 1 && pops[0].0 == PopQueueKey(group: "g", topic: "t", queueID: 0))
        let pop = pops[0].1
        #expect(pop.offsets == [5, 6, 8] && pop.acked == 1 && pop.visibleAt == [2: 99] && pop.consumedCounts == [6: 2])
        let written = OrderInfoFile.text(pops.map { (key: $0.0, pop: $0.1) })
        #expect(try JSON(parsing: written) == JSON(parsing: Array(text.utf8)))
        for bad in ["{}", "[]", #"{"table":{"t":{}}}"#, #"{"table":{"t@g":{"x":{"popTime":1,"o":[1,-5]}}}}"#] {
            #expect(OrderInfoFile.pops(try JSON(parsing: Array(bad.utf8))).isEmpty)
        }
    }

    @Test func `check-points that a Java broker left are taken in, with their acks`() throws {
        try peer.fill("t", ["a", "b", "c", "d"])
        let topic = "rmq_sys_REVIVE_LOG_DefaultCluster"
        let ck = #"{"bm":0,"bn":"broker-a","c":"g","d":[0,1,2],"it":1000,"n":3,"pt":1000,"q":0,"ro":0,"so":0,"t":"t"}"#
        let ack = #"{"ao":1,"bn":"broker-a","c":"g","pt":1000,"q":0,"so":0,"t":"t"}"#
        let many = #"{"ao":-1,"aol":[2],"bn":"broker-a","c":"g","pt":1000,"q":0,"so":0,"t":"t"}"#
        for (tag, body) in [("ck", ck), ("ack", ack), ("bAck", many), ("ck", "nonsense"), ("ck", "{}")] {
            let sent = try peer.ask(.put(topic, body, queue: 3, properties: "TAGS\u{1}\(tag)\u{2}"))
            #expect(sent.responseCode == .success, "\(sent)")
        }
        let commit = RemotingCommand(
            .updateConsumerOffset, ["consumerGroup": "g", "topic": "t", "queueId": "0", "commitOffset": "3"])
        _ = try peer.ask(.pop("t", queue: 1))
        #expect(try peer.ask(commit).responseCode == .success)
        #expect(try peer.pop(.pop("t", queue: 0)).map(\.text) == ["d"])
        let again = try peer.popSome(.pop("t", queue: 0))
        #expect(again.map(\.text) == ["a"] && again[0].times == 1)
        let progress = try peer.ask(.progress(topic, queue: 3, group: "CID_RMQ_SYS_REVIVE_GROUP"))
        #expect(progress.int64("offset") == 4)
    }

    // MARK: - Assignment

    private func assignment(_ client: String, _ strategy: String = "AVG") throws -> [JSON]? {
        let body =
            #"{"clientId":"\#(client)","consumerGroup":"g","messageModel":"CLUSTERING","strategyName":"\#(strategy)","topic":"t"}"#
        let answer = try peer.ask(RemotingCommand(.queryAssignment, body: Array(body.utf8)))
        #expect(answer.responseCode == .success)
        return answer.json["messageQueueAssignments"].array
    }

    @Test func `clients are told which queues are theirs, and how to take them`() throws {
        _ = try peer.ask(.topic("t", queues: 4))
        #expect(try assignment("127.0.0.1@test") == nil)  // nobody is there
        _ = try peer.ask(.heartbeat(group: "g", topic: "t"))
        let pulled = try #require(try assignment("127.0.0.1@test"))
        #expect(pulled.map { $0["messageQueue"]["queueId"].int } == [0, 1, 2, 3])
        #expect(pulled.allSatisfy { $0["mode"] == "PULL" })
        #expect(try assignment("127.0.0.1@test", "CONSISTENT_HASH") == nil)
        #expect(try assignment("stranger", "AVG_BY_CIRCLE")?.isEmpty == true)
        let mode = #"{"consumerGroup":"g","mode":"POP","popShareQueueNum":0,"topic":"t"}"#
        #expect(try peer.ask(RemotingCommand(.setMessageRequestMode, body: Array(mode.utf8))).responseCode == .success)
        let popped = try #require(try assignment("127.0.0.1@test"))
        #expect(popped.map { $0["messageQueue"]["queueId"].int } == [-1] && popped[0]["mode"] == "POP")
    }

    @Test func `how messages are taken survives a restart, and is set for real topics only`() throws {
        _ = try peer.ask(.topic("t", queues: 4))
        func set(_ topic: String, _ mode: String = "POP") throws -> RemotingCommand {
            let body = #"{"consumerGroup":"g","mode":"\#(mode)","popShareQueueNum":2,"topic":"\#(topic)"}"#
            return try peer.ask(RemotingCommand(.setMessageRequestMode, body: Array(body.utf8)))
        }
        #expect(try set("t").responseCode == .success)
        #expect(try set("none").responseCode == .topicNotExist)
        #expect(try set("%RETRY%g").remark == "retry topic is not allowed to set mode")
        #expect(try set("t", "SHOUT").responseCode == .systemError)
        try running.restart()
        let later = try running.connect()
        _ = try later.ask(.heartbeat(group: "g", topic: "t"))
        let body = #"{"clientId":"127.0.0.1@test","consumerGroup":"g","strategyName":"AVG","topic":"t"}"#
        let answer = try later.ask(RemotingCommand(.queryAssignment, body: Array(body.utf8)))
        #expect(answer.json["messageQueueAssignments"][0]["mode"] == "POP")
    }

    @Test func `queues are shared out as Java does`() {
        let queues = (0..<5).map { MessageQueue(topic: "t", brokerName: "b", queueID: $0) }
        func share(
            _ me: String, of members: [String], _ strategy: Assignment.Strategy = .average,
            _ mode: MessageRequestMode = .pull, _ count: Int = 0, _ all: [MessageQueue]? = nil
        ) -> [Int] {
            Assignment.queues(
                of: me, all ?? queues, members: members, strategy: strategy, mode: mode, shareCount: count
            ).map(\.queueID)
        }
        #expect(share("b", of: ["c", "b", "a"]) == [2, 3] && share("c", of: ["a", "b", "c"]) == [4])
        #expect(share("b", of: ["a", "b", "c"], .circle) == [1, 4] && share("x", of: ["a"]) == [])
        #expect(share("a", of: ["a", "b"], .average, .pop) == [-1])
        #expect(share("a", of: ["a", "b", "c"], .average, .pop, 2) == [-1])
        #expect(share("a", of: ["a", "b", "c", "d"], .average, .pop, 1) == [0, 1, 2])
        #expect(share("d", of: ["a", "b", "c", "d"], .average, .pop, 1) == [0, 1, 4])
        #expect(share("c", of: ["a", "b", "c", "d"], .average, .pop, 1, Array(queues[..<2])) == [0])
        #expect(share("z", of: ["a", "b", "c", "d"], .average, .pop, 1, []) == [])
    }
}
