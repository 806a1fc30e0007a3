import Foundation
import MQBase
import MQJSON
import MQMessage
import MQProtocol
import MQSystem
import MQTestKit
import Testing

@testable import MQBroker

/// Clients over real connections: heartbeats, who is told what, who is forgotten.
@Suite struct ControlClientTests {
    @Test func `a heartbeat makes the group, its retry topic and its subscriptions`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        let answer = try peer.ask(.heartbeat("1.2.3.4@one", producers: ["p"], consumers: [.group("g", "t")]))
        #expect(answer.responseCode == .success)
        #expect(answer["IS_SUPPORT_HEART_BEAT_V2"] == "true")
        #expect(answer["IS_SUB_CHANGE"] == "true")
        #expect(control.groups.existing("g") != nil)
        #expect(control.topics.config(of: "%RETRY%g")?.writeQueueNums == 1)
        #expect(control.clients.subscription(group: "g", topic: "t")?.subString == "*")
        #expect(control.clients.subscription(group: "g", topic: "u") == nil)
        #expect(control.clients.consumerGroup("g")?.messageModel == .clustering)
        let list = try peer.ask(RemotingCommand(.getConsumerListByGroup, ["consumerGroup": "g"]))
        #expect(list.json == ["consumerIdList": ["1.2.3.4@one"]])
        let nobody = try peer.ask(RemotingCommand(.getConsumerListByGroup, ["consumerGroup": "h"]))
        #expect(nobody.responseCode == .systemError)
        #expect(nobody.remark == "no consumer for this group, h")
    }

    @Test func `members are told when another comes, goes, hangs up or changes what it wants`() throws {
        let control = try RunningControl()
        let one = try control.connect()
        _ = try one.ask(.heartbeat("one", consumers: [.group("g", "t")]))
        #expect(try one.nextNotice()["consumerGroup"] == "g")
        _ = try one.ask(.heartbeat("one", consumers: [.group("g", "t")]))  // nothing new: nobody is told
        let two = try control.connect()
        _ = try two.ask(.heartbeat("two", consumers: [.group("g", "t")]))
        for peer in [one, two] {
            let notice = try peer.nextNotice()
            #expect(notice.requestCode == .notifyConsumerIDsChanged)
            #expect(notice.isOneWay)
            #expect(notice["consumerGroup"] == "g")
        }
        _ = try two.ask(.heartbeat("two", consumers: [.group("g", "t", "u", version: 2)]))
        for peer in [one, two] { #expect(try peer.nextNotice()["consumerGroup"] == "g") }
        _ = try two.ask(RemotingCommand(.unregisterClient, ["clientID": "two", "consumerGroup": "g"]))
        #expect(try one.nextNotice()["consumerGroup"] == "g")
        let three = try control.connect()
        _ = try three.ask(.heartbeat("three", consumers: [.group("g", "t", "u", version: 2)]))
        #expect(try one.nextNotice()["consumerGroup"] == "g")
        #expect(control.clients.consumerIDs(of: "g") == ["one", "three"])
        three.hangUp()
        #expect(try one.nextNotice()["consumerGroup"] == "g")
        #expect(control.clients.consumerIDs(of: "g") == ["one"])
    }

    @Test func `what is asked of a client is passed on, and its answer back`() throws {
        let control = try RunningControl()
        let client = try control.connect()
        _ = try client.ask(.heartbeat("one", consumers: [.group("g", "t")]))
        _ = try client.nextNotice()  // a member came: itself
        let admin = try control.connect()
        var running = RemotingCommand(
            .getConsumerRunningInfo, ["consumerGroup": "g", "clientId": "one", "Signature": "s"])
        running.opaque = 77
        admin.send(running.frame())
        let passed = try client.nextNotice()
        #expect(passed.requestCode == .getConsumerRunningInfo)
        #expect(passed["clientId"] == "one" && passed["Signature"] == nil)
        var answer = RemotingCommand(.success, body: Array("{}".utf8))
        answer.opaque = passed.opaque
        answer.flag = 1
        client.send(answer.frame())
        let result = try admin.receive()
        #expect(result.opaque == 77 && result.isResponse && result.body == Array("{}".utf8))

        let id = MessageID.offsetID(
            host: MessageHost(ip: [127, 0, 0, 1], port: 1), offset: PhysicalOffset(rawValue: 7))
        var direct = RemotingCommand(.consumeMessageDirectly, ["consumerGroup": "g", "clientId": "one", "msgId": id])
        direct.opaque = 78
        admin.send(direct.frame())
        let message = try client.nextNotice()
        #expect(message.body == [1, 2, 3] && message["brokerName"] == "broker-a" && message["groupSysFlag"] == "0")
        client.hangUp()
        let lost = try admin.receive()
        #expect(lost.opaque == 78 && lost.responseCode == .systemError)
        #expect(lost.remark?.hasPrefix("invoke consumer <g> <one> Exception: ") == true)
    }

    @Test func `a client that is not there cannot be asked`() throws {
        let control = try RunningControl()
        let admin = try control.connect()
        let absent = try admin.ask(RemotingCommand(.getConsumerRunningInfo, ["consumerGroup": "g", "clientId": "x"]))
        #expect(absent.responseCode == .systemError && absent.remark == "The Consumer <g> <x> not online")
        let noID = try admin.ask(RemotingCommand(.getConsumerRunningInfo, ["consumerGroup": "g"]))
        #expect(noID.responseCode == .systemError && noID.remark == "the custom field <clientId> is null")
        let badID = try admin.ask(
            RemotingCommand(.consumeMessageDirectly, ["consumerGroup": "g", "clientId": "x", "msgId": "zz"]))
        #expect(badID.responseCode == .systemError)
    }

    @Test func `a group that wants no notices gets none`() throws {
        let control = try RunningControl()
        var quiet = SubscriptionGroupConfig(groupName: "quiet")
        quiet.notifyConsumerIdsChangedEnable = false
        try control.groups.put(quiet)
        let peer = try control.connect()
        _ = try peer.ask(.heartbeat("one", consumers: [.group("quiet", "t"), .group("loud", "t")]))
        #expect(try peer.nextNotice()["consumerGroup"] == "loud")
    }

    @Test func `a client id on a new connection replaces the old one`() throws {
        let control = try RunningControl()
        let old = try control.connect()
        let new = try control.connect()
        _ = try old.ask(.heartbeat("one", consumers: [.group("g", "t")]))
        _ = try old.nextNotice()
        _ = try new.ask(.heartbeat("one", consumers: [.group("g", "t")]))
        old.hangUp()
        _ = try new.nextNotice()
        // The old connection's end must not take the client away; another client's coming shows that it was handled.
        let other = try control.connect()
        _ = try other.ask(.heartbeat("two", consumers: [.group("g", "t")]))
        #expect(control.clients.consumerIDs(of: "g") == ["one", "two"])
        #expect(control.clients.memberCount == 2)
    }

    @Test func `silent clients are forgotten and their connections closed`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        _ = try peer.ask(.heartbeat("one", producers: ["p"], consumers: [.group("g", "t")]))
        _ = try peer.nextNotice()
        let later = SystemClock.now()
        control.service.tick(now: later.advanced(byMilliseconds: 119_000), wall: .init(rawValue: 0))
        #expect(control.clients.memberCount == 2)
        control.service.tick(now: later.advanced(byMilliseconds: 121_000), wall: .init(rawValue: 0))
        #expect(control.clients.memberCount == 0)
        #expect(control.clients.consumerGroup("g") == nil)
        #expect(throws: ConnectionEnded.self) { try peer.receive() }
    }

    @Test func `a heartbeat without subscriptions keeps a known client and asks an unknown one for them`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        let unknown = try peer.ask(.heartbeat("one", consumers: [.group("g")], withoutSub: true))
        #expect(unknown["IS_SUB_CHANGE"] == "true")
        #expect(control.clients.consumerGroup("g") == nil)
        _ = try peer.ask(.heartbeat("one", consumers: [.group("g", "t")]))
        let known = try peer.ask(.heartbeat("one", consumers: [.group("g")], withoutSub: true))
        #expect(known["IS_SUB_CHANGE"] == "false")
        #expect(control.clients.subscription(group: "g", topic: "t") != nil)
    }

    @Test func `bad heartbeats are refused by name and change nothing`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        let bodies = [
            "", "[]", "{", #"{"clientID":""}"#, #"{"consumerDataSet":[]}"#,
            #"{"clientID":"c","producerDataSet":[{"groupName":"../p"}]}"#,
            #"{"clientID":"c","consumerDataSet":[{"groupName":"a b","subscriptionDataSet":[]}]}"#,
            String(repeating: "[", count: 1000),
        ]
        for body in bodies {
            let answer = try peer.ask(RemotingCommand(.heartBeat, body: Array(body.utf8)))
            #expect(answer.responseCode != .success, "\(body)")
            #expect(answer.remark?.isEmpty == false, "\(body)")
        }
        let huge = [UInt8](repeating: 32, count: (1 << 20) + 1)
        #expect(try peer.ask(RemotingCommand(.heartBeat, body: huge)).responseCode == .messageIllegal)
        #expect(control.clients.memberCount == 0)
    }

    @Test func `members and subscriptions are bounded`() throws {
        var limits = BrokerLimits()
        limits.membersMax = 2
        limits.subscriptionByteCountMax = 1000
        let control = try RunningControl(limits: limits)
        let peer = try control.connect()
        _ = try peer.ask(.heartbeat("one", producers: ["p", "q"]))
        #expect(try peer.ask(.heartbeat("two", producers: ["p"])).responseCode == .systemBusy)
        _ = try peer.ask(RemotingCommand(.unregisterClient, ["clientID": "one", "producerGroup": "p"]))
        let wide = ConsumerData.group("g", "a", "b", "c", "d", "e", "f")
        #expect(try peer.ask(.heartbeat("one", consumers: [wide])).responseCode == .systemBusy)
        #expect(control.clients.consumerGroup("g") == nil)
        #expect(try peer.ask(.heartbeat("one", consumers: [.group("g", "a")])).responseCode == .success)
    }

    @Test func `a heartbeat that is refused at one group tells those before it`() throws {
        var limits = BrokerLimits()
        limits.membersMax = 3
        let control = try RunningControl(limits: limits)
        let (one, two) = (try control.connect(), try control.connect())
        _ = try one.ask(.heartbeat("one", consumers: [.group("a", "t")]))
        #expect(try one.nextNotice()["consumerGroup"] == "a")
        let groups: [ConsumerData] = [.group("a", "t"), .group("b", "t"), .group("c", "t")]
        #expect(try two.ask(.heartbeat("two", consumers: groups)).responseCode == .systemBusy)
        #expect(control.clients.consumerIDs(of: "a") == ["one", "two"])
        #expect(try one.nextNotice()["consumerGroup"] == "a")
        #expect(try [two.nextNotice(), two.nextNotice()].map { $0["consumerGroup"] }.contains("b"))
    }

    @Test func `a member with too many subscriptions is told so, and none of them count`() throws {
        var limits = BrokerLimits()
        limits.subscriptionsMax = 2
        let control = try RunningControl(limits: limits)
        let peer = try control.connect()
        let refused = try peer.ask(.heartbeat("one", consumers: [.group("g", "a", "b", "c")]))
        #expect(refused.responseCode == .invalidParameter)
        #expect(refused.remark == "group g subscribes to 3 topics; at most 2 are allowed")
        #expect(control.clients.consumerGroup("g") == nil)
        #expect(try peer.ask(.heartbeat("one", consumers: [.group("g", "a", "b")])).responseCode == .success)
        #expect(
            try peer.ask(.heartbeat("one", consumers: [.group("g", "a", "b", "c")])).responseCode == .invalidParameter)
        #expect(control.clients.consumerGroup("g")?.subscriptions.count == 2, "as before")
    }

    @Test func `producers and consumers are listed with their connections`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        _ = try peer.ask(.heartbeat("one", producers: ["p"], consumers: [.group("g", "t")]))
        let producers = try peer.ask(RemotingCommand(.getProducerConnectionList, ["producerGroup": "p"]))
        let connection = try #require(try ProducerConnection(parsing: producers.body).connectionSet.first)
        #expect(connection.clientID == "one" && connection.language == "JAVA" && connection.version == 479)
        #expect(connection.clientAddr.hasPrefix("127.0.0.1:"))
        let consumers = try peer.ask(RemotingCommand(.getConsumerConnectionList, ["consumerGroup": "g"]))
        #expect(try ConsumerConnection(parsing: consumers.body).subscriptionTable["t"]?.subString == "*")
        let gone = try peer.ask(RemotingCommand(.getConsumerConnectionList, ["consumerGroup": "x"]))
        #expect(gone.responseCode == .consumerNotOnline)
        #expect(gone.remark == "the consumer group[x] not online")
    }
}
