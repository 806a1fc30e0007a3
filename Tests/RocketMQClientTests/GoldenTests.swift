import Foundation
import MQBytes
import MQJSON
import MQProtocol
import MQSystem
import MQTestKit
import Testing

@testable import RocketMQClient

/// What Java brokers and name servers answered is understood.
@Suite struct GoldenTests {
    private struct Recorded {
        let name: String
        let requestCode: Int?
        let command: RemotingCommand
    }

    private func recordings(_ version: String) throws -> [Recorded] {
        try Golden.frames(version: version).compactMap { frame in
            guard let command = try? RemotingCommand(frame: frame.bytes.span) else { return nil }
            return Recorded(name: frame.name, requestCode: frame.requestCode, command: command)
        }
    }

    @Test(arguments: ["4.9.8", "5.3.3"])
    func `messages of pulls and queries decode`(version: String) throws {
        var count = 0
        for recorded in try recordings(version) where [11, 12, 33].contains(recorded.requestCode ?? -1) {
            guard recorded.command.responseCode == .success else { continue }
            let messages = try MessageExt.all(in: recorded.command.body)
            #expect(!messages.isEmpty, "\(recorded.name)")
            #expect(messages.reduce(0) { $0 + $1.storeByteCount } == recorded.command.body.count, "\(recorded.name)")
            for message in messages { #expect(!message.topic.isEmpty && !message.messageID.isEmpty) }
            count += messages.count
        }
        #expect(count > 0)
    }

    @Test(arguments: ["4.9.8", "5.3.3"])
    func `routes decode in both JSON forms`(version: String) throws {
        let routes = try recordings(version).filter { $0.requestCode == 105 && $0.command.responseCode == .success }
        #expect(!routes.isEmpty)
        for recorded in routes {
            let route = try TopicRouteData(parsing: recorded.command.body)
            #expect(!route.brokerDatas.isEmpty && !route.queueDatas.isEmpty, "\(recorded.name)")
        }
    }

    /// What producers and consumers of ours really send, beside what Java's did.
    @Test func `requests of ours have the fields of Java's`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1, "%RETRY%g": 1])
        let client = ClientOptions(nameServers: cluster.address)
        var patience = Producer.Options()
        patience.sendTimeout = .seconds(60)  // other tests may keep every thread busy
        let producer = try Producer(group: "p", options: patience, client: client)
        try await producer.start()
        try await producer.send(Message(topic: "t", body: [1]))
        var options = ConsumerOptions()
        options.consumeFromWhere = .firstOffset
        let consumer = try PushConsumer(group: "g", options: options, client: client)
        try await consumer.subscribe("t")
        let seen = Collector()
        try await consumer.start { message, _ in
            seen.add(message)
            return message.reconsumeTimes == 0 ? .later() : .success
        }
        await seen.wait(for: 2)
        await consumer.shutdown()
        await producer.shutdown()
        cluster.stop()
        let java = try recordings("5.3.3").filter { !$0.command.isResponse && $0.name.contains("JSON") }
        let ours = cluster.state.withLock { $0.seen }
        for code: RequestCode in [
            .sendMessageV2, .pullMessage, .queryConsumerOffset, .updateConsumerOffset, .getConsumerListByGroup,
            .consumerSendMessageBack, .unregisterClient, .heartBeat, .getRouteInfoByTopic,
        ] {
            let request = try #require(ours.first { $0.code == code.rawValue }, "nothing sent with code \(code)")
            // Java's tools add their own: credentials and what marks a stream. A client group is one of two fields.
            let ignored: Set = ["AccessKey", "Signature", "ReqT", "consumerGroup", "producerGroup"]
            let names = Set(java.first { $0.command.code == code.rawValue }?.command.fields.map(\.name) ?? [])
            let missing = names.subtracting(ignored).subtracting(request.fields.map(\.name))
            #expect(missing.isEmpty, "code \(code) lacks \(missing)")
        }
        let data = try #require(cluster.state.withLock { $0.heartbeats.last { !$0.consumerDataSet.isEmpty } })
        #expect(data.consumerDataSet[0].subscriptionDataSet.map(\.topic) == ["%RETRY%g", "t"])
    }

    @Test func `a pull of ours has the fields of Java's`() throws {
        let java = try #require(
            try recordings("5.3.3").first {
                $0.command.code == 11 && $0.name.contains("JSON") && !$0.command.isResponse
            })
        var pull = PullRequest(
            group: "g", queue: MessageQueue(topic: "t", brokerName: "b", queueID: 1), offset: 5)
        pull.suspend = .seconds(15)
        let ours = Set(pull.command.fields.map(\.name))
        let theirs = Set(java.command.fields.map(\.name))
        #expect(theirs.subtracting(ours).isEmpty, "missing \(theirs.subtracting(ours))")
        #expect(pull.command["sysFlag"] == "6")
    }
}
