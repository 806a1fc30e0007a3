import Foundation
import MQBase
import MQBytes
import MQConfig
import MQMessage
import MQObserve
import MQProtocol
import MQTransport
import MQTestKit
import Testing

@testable import MQBroker

/// A whole broker in this process, on a free port of loopback, with its store in a folder that is removed.
final class RunningBroker {
    let folder: URL
    let port: Int
    private(set) var broker: Broker?
    private let keys: [String: String]

    /// - Parameter adopting: the folder of another broker, which has stopped; a new one without it.
    init(_ keys: [String: String] = [:], adopting known: URL? = nil) throws {
        folder =
            known
            ?? FileManager.default.temporaryDirectory.appendingPathComponent("apus-broker-\(UUID().uuidString)")
        var all = [
            "brokerName": "broker-a", "brokerIP1": "127.0.0.1", "brokerIP2": "127.0.0.1", "bindAddress": "127.0.0.1",
            "storePathRootDir": folder.path, "mappedFileSizeCommitLog": String(16 << 20), "maxIndexNum": "20000",
            "messageDelayLevel": "1s 2s 1s 1s 30m", "namesrvAddr": "",
            "cleanResourceInterval": "3600000",  // a disk that is nearly full must not delete a test's messages
        ]
        // Two loops, as on larger machines than most that run tests.
        if keys["flushDiskType"] == nil { all["serverSelectorThreads"] = "2" }
        all.merge(keys) { $1 }
        self.keys = all
        var chosen = 0
        var made: Broker?
        for attempt in 0..<20 where made == nil {
            chosen = Int.random(in: 12_000..<32_000)
            do { made = try Self.make(all, port: chosen) } catch {
                guard attempt < 19, "\(error)".contains("in use") else { throw error }
            }
        }
        port = chosen
        broker = made
        made?.start()
    }

    private static func make(_ keys: [String: String], port: Int) throws -> Broker {
        var values = ConfigValues(.broker, on: ConfigMachine(home: "/tmp"))
        for (key, value) in keys { try values.set(key, to: value) }
        try values.set("listenPort", to: String(port))
        return try Broker(LiveConfig(values), log: .silent)
    }

    func stop() {
        broker?.stop()
        broker = nil
    }

    func restart() throws {
        stop()
        broker = try Self.make(keys, port: port)
        broker?.start()
    }

    deinit {
        stop()
        try? FileManager.default.removeItem(at: folder)
    }

    func connect() throws -> RemotingPeer { try RemotingPeer(port: port) }
}

/// A message as a pull brings it.
struct Pulled {
    let record: MessageRecord
    let topic: String
    let body: [UInt8]
    let properties: [String: String]

    /// All records of a pull's or query's body, which must hold nothing else.
    static func all(_ answer: RemotingCommand) throws -> [Pulled] {
        var rest = answer.body
        var found: [Pulled] = []
        while !rest.isEmpty {
            let record = try MessageRecord(rest.span)
            let isIntact = record.hasIntactBody(rest.span)
            #expect(isIntact)
            found.append(
                Pulled(
                    record: record, topic: String(decoding: rest[record.topic], as: UTF8.self),
                    body: Array(rest[record.body]),
                    properties: Dictionary(
                        Properties.list(Array(rest[record.properties]).span).map { ($0.name, $0.value) },
                        uniquingKeysWith: { $1 })))
            rest.removeFirst(record.byteCount)
        }
        return found
    }

    var text: String { String(decoding: body, as: UTF8.self) }
}

extension RemotingCommand {
    static func put(
        _ topic: String, _ body: String = "hello", queue: Int = 0, properties: String = "",
        with changes: [String: String?] = [:]
    ) -> RemotingCommand {
        var command = RemotingCommand(
            .sendMessageV2,
            [
                "a": "producers", "b": topic, "c": "TBW102", "d": "4", "e": String(queue), "f": "0",
                "g": "1795241524644",
                "h": "0", "i": properties, "j": "0", "k": "false", "m": "false",
            ], body: Array(body.utf8))
        for (name, value) in changes { command[name] = value }
        return command
    }

    /// A pull that brings its own subscription.
    static func pull(
        _ topic: String, queue: Int = 0, from offset: Int64 = 0, group: String = "consumers", wait: Int64 = 0,
        tags: String = "*", with changes: [String: String?] = [:]
    ) -> RemotingCommand {
        var command = RemotingCommand(
            .pullMessage,
            [
                "consumerGroup": group, "topic": topic, "queueId": String(queue), "queueOffset": String(offset),
                "maxMsgNums": "32", "sysFlag": wait > 0 ? "6" : "4", "commitOffset": "0",
                "suspendTimeoutMillis": String(wait),
                "subscription": tags, "subVersion": "0", "expressionType": "TAG",
            ])
        for (name, value) in changes { command[name] = value }
        return command
    }

    static func sendBack(_ offset: Int64, group: String, level: Int = 0, max: Int? = nil) -> RemotingCommand {
        var command = RemotingCommand(
            .consumerSendMessageBack,
            [
                "offset": String(offset), "group": group, "delayLevel": String(level), "originTopic": "x",
                "unitMode": "false",
            ])
        if let max { command["maxReconsumeTimes"] = String(max) }
        return command
    }

    static func topic(_ name: String, queues: Int = 4, perm: Int = 6) -> RemotingCommand {
        RemotingCommand(
            .updateAndCreateTopic,
            [
                "topic": name, "defaultTopic": "TBW102", "readQueueNums": String(queues),
                "writeQueueNums": String(queues),
                "perm": String(perm), "topicFilterType": "SINGLE_TAG", "topicSysFlag": "0", "order": "false",
            ])
    }

    static func heartbeat(group: String, topic: String, tags: String = "*", version: Int64 = 1) -> RemotingCommand {
        var subscription = SubscriptionData(topic: topic, subString: tags)
        subscription.subVersion = version
        let codes =
            tags == "*"
            ? []
            : tags.split(separator: "|", omittingEmptySubsequences: true).map {
                javaHashCode(Array($0.trimmingCharacters(in: .whitespaces).utf8).span)
            }
        subscription.codeSet = codes
        let data = HeartbeatData(
            clientID: "127.0.0.1@test", producerGroups: [],
            consumerDataSet: [ConsumerData(groupName: group, subscriptionDataSet: [subscription])])
        return RemotingCommand(.heartBeat, body: data.encoded())
    }

    static func heartbeat(group: String, topic: String, sql expression: String, version: Int64) -> RemotingCommand {
        let subscription = SubscriptionData(
            topic: topic, subString: expression, subVersion: version, expressionType: "SQL92")
        let data = HeartbeatData(
            clientID: "127.0.0.1@test", producerGroups: [],
            consumerDataSet: [ConsumerData(groupName: group, subscriptionDataSet: [subscription])])
        return RemotingCommand(.heartBeat, body: data.encoded())
    }

    var names: Set<String> { Set(fields.map(\.name)) }
}
