import Foundation
import MQJSON
import MQMessage
import MQObserve
import MQProtocol
import MQSystem
import MQTestKit
import Testing

@testable import MQBroker

/// What Java clients, brokers and `mqadmin` and Apache's C++ client asked a Java broker, byte for byte, against ours:
/// the code, the names of the ext fields and the shape of the body must be Java's. Tables are arranged before each question.
@Suite struct ControlGoldenTests {
    private static let served: Set<Int32> = [
        14, 15, 17, 21, 25, 26, 28, 29, 30, 31, 32, 34, 35, 38, 41, 42, 43, 45, 46, 200, 201, 202, 203, 204, 207, 208,
        215, 300, 305, 315, 316, 317, 321, 343, 351, 352,
    ]

    @Test(arguments: Golden.versions)
    func `recorded requests get answers of Java's shape`(version: String) throws {
        var compared: [Int32: Int] = [:]
        for exchange in try Golden.exchanges(version: version, with: "broker") {
            let request = exchange.request
            guard Self.served.contains(request.code) else { continue }
            let control = try RunningControl(["enablePropertyFilter": "true"])  // as Java's had
            let peer = try control.connect()
            guard let wanted = exchange.answer else {
                peer.send(exchange.bytes)
                continue
            }
            try arrange(control, for: request, wanted)
            let answer = try peer.ask(exchange.bytes)
            compared[request.code, default: 0] += 1
            compare(answer, wanted, request, "\(version) \(exchange.name)")
        }
        for code: Int32 in [
            14, 15, 17, 25, 26, 28, 29, 30, 31, 32, 34, 35, 38, 41, 200, 202, 203, 204, 208, 215, 300, 315, 317, 321,
        ] {
            #expect(compared[code, default: 0] > 0, "\(version) has no request \(code)")
        }
    }

    /// Makes the tables what they were when Java answered.
    private func arrange(_ control: RunningControl, for request: RemotingCommand, _ wanted: RemotingCommand) throws {
        let group = request["consumerGroup"] ?? request["group"] ?? "g"
        if let topic = request["topic"], NameRules.refusal(ofTopic: topic) == nil, !control.topics.isSystem(topic),
            request.code != 17
        {
            try control.topics.put(TopicConfig(topicName: topic, readQueueNums: 2, writeQueueNums: 2))
            for queue in 0..<2 { control.store.put(topic, queue, max: 20) }
        }
        switch request.requestCode {
        case .queryConsumerOffset:
            control.store.state.withLock { $0.isOnDisk = wanted.responseCode != .success }
            if let offset = wanted.int64("offset"), let topic = request["topic"], let queue = request.int32("queueId") {
                control.offsets.commit(group: group, topic: topic, queueID: queue, offset: offset)
            }
        case .updateConsumerOffset: _ = control.groups.config(of: group)
        case .getConsumerListByGroup:
            for id in try ConsumerIDList(parsing: wanted.body).consumerIDList { try join(control, id, group) }
        case .getConsumerConnectionList where wanted.responseCode == .success:
            try join(control, "someone", group)
        case .getProducerConnectionList:
            let peer = try control.connect()
            _ = try peer.ask(.heartbeat("someone", producers: [request["producerGroup"] ?? ""]))
            peers.append(peer)
        case .queryTopicConsumeByWho:
            control.offsets.commit(group: "someone", topic: request["topic"] ?? "", queueID: 0, offset: 1)
        case .getAllConsumerOffset:
            for (key, queues) in try ConsumerOffsetSerializeWrapper(parsing: wanted.body).offsetTable {
                let names = key.split(separator: "@").map(String.init)
                for (queue, offset) in queues {
                    control.offsets.commit(group: names[1], topic: names[0], queueID: queue, offset: offset)
                }
            }
        case .getConsumeStats:
            for queue in try ConsumeStats(parsing: wanted.body).offsetTable.keys {
                try control.topics.put(TopicConfig(topicName: queue.topic, readQueueNums: 2, writeQueueNums: 2))
                control.offsets.commit(group: group, topic: queue.topic, queueID: Int32(queue.queueID), offset: 1)
            }
        case .viewBrokerStatsData where wanted.responseCode == .success:
            let names = (request["statsKey"] ?? "").split(separator: "@").map(String.init)
            let topic = control.topics.stats.topic(names[0])
            topic.put.add(messages: 1, bytes: 100)
            if names.count > 1 { control.topics.stats.group(names[1], in: topic).got.add(messages: 1, bytes: 100) }
        case .getBrokerConsumeStats:
            for group in try ConsumeStatsList(parsing: wanted.body).groups {
                _ = control.groups.config(of: group.name)
                for queue in group.stats.flatMap(\.offsetTable.keys) {
                    try control.topics.put(TopicConfig(topicName: queue.topic, readQueueNums: 2, writeQueueNums: 2))
                    control.offsets.commit(
                        group: group.name, topic: queue.topic, queueID: Int32(queue.queueID), offset: 1)
                }
            }
        default: break
        }
    }

    /// Connections that stay open until the test ends.
    private final class Peers {
        var all: [RemotingPeer] = []
        func append(_ peer: RemotingPeer) { all.append(peer) }
    }

    private let peers = Peers()

    private func join(_ control: RunningControl, _ clientID: String, _ group: String) throws {
        let peer = try control.connect()
        var consumer = ConsumerData.group(group, "%RETRY%" + group)
        consumer.subscriptionDataSet.append(
            SubscriptionData(topic: "t", subString: "A || B", tagsSet: ["A", "B"], codeSet: [65, 66], subVersion: 1))
        _ = try peer.ask(.heartbeat(clientID, consumers: [consumer]))
        peers.append(peer)
    }

    private func compare(
        _ answer: RemotingCommand, _ wanted: RemotingCommand, _ request: RemotingCommand, _ name: String
    ) {
        #expect(answer.code == wanted.code, "\(name): \(answer.remark ?? "")")
        #expect(answer.opaque == request.opaque && answer.isResponse, "\(name)")
        // 4.9 has no heartbeat V2; its clients ignore the two fields.
        if request.requestCode != .heartBeat || wanted.version >= ProtocolVersion.v5_0_0 {
            #expect(Set(answer.fields.map(\.name)) == Set(wanted.fields.map(\.name)), "\(name)")
        }
        if wanted.responseCode != .success { #expect(answer.remark == wanted.remark, "\(name)") }
        #expect(answer.body.isEmpty == wanted.body.isEmpty, "\(name): \(answer.body.count) bytes")
        switch request.requestCode {
        case .getBrokerConfig: break  // compared key by key in MQConfig's tests
        case .getBrokerRuntimeInfo:
            let missing = keys(wanted).subtracting(keys(answer)).filter {
                !$0.hasPrefix("scheduleMessageOffset_") && !$0.hasPrefix("commitLogDirCapacity")
                    && !$0.hasPrefix("commitLogDiskRatio_")  // these come from the store
            }
            #expect(missing.isEmpty, "\(name)")
        default:
            #expect(shape(wanted.json).isSubset(of: shape(answer.json)), "\(name)")
        }
    }

    private func keys(_ command: RemotingCommand) -> Set<String> {
        Set(command.json["table"].object?.compactMap { $0.key.string } ?? [])
    }

    @Test(arguments: Golden.versions)
    func `tables that Java wrote are read, and written again they say the same`(version: String) throws {
        let folder = ControlFolder()
        let config = try Golden.unpackStore(
            version: version, state: "clean", part: "config", into: URL(filePath: folder.path)
        ).appending(path: "config")
        let files = ConfigFiles(folder: config.path, log: .silent)
        let stored = try (
            files.load("topics.json"), files.load("subscriptionGroup.json"), files.load("consumerOffset.json")
        )
        let topics = try ControlMachines.topics(stored: stored.0)
        let groups = try ControlMachines.groups(stored: stored.1)
        let offsets = try ControlMachines.offsets(stored: stored.2)
        let java = try TopicConfigSerializeWrapper(json: try #require(stored.0))
        #expect(java.topicConfigTable.count > 15)
        for (name, topic) in java.topicConfigTable { #expect(topics.config(of: name) == topic) }
        #expect(topics.dataVersion == java.dataVersion)
        let javaGroups = try SubscriptionGroupWrapper(json: try #require(stored.1))
        for (name, group) in javaGroups.subscriptionGroupTable { #expect(groups.existing(name) == group) }
        let javaOffsets = try ConsumerOffsetSerializeWrapper(json: try #require(stored.2))
        #expect(javaOffsets.offsetTable["gold_single-q@gold_group_a"] == [0: 301])
        #expect(offsets.wrapper().offsetTable == javaOffsets.offsetTable)
        let again = try ControlMachines.topics(stored: try JSON(parsing: topics.wrapper().encoded(.pretty)))
        #expect(again.snapshot() == topics.snapshot())
    }

    /// The paths of a body's members, with `*` for what are names of things and not of members.
    private func shape(_ json: JSON, at path: String = "") -> Set<String> {
        switch json {
        case .object(let object):
            var all: Set<String> = [path + "{}"]
            for member in object {
                let isName = path.hasSuffix("Table") || path.hasSuffix("Map")
                let key = isName || member.key.object != nil ? "*" : member.key.string ?? "*"
                if case .object(let inner) = member.key { all.formUnion(shape(.object(inner), at: path + ".key")) }
                all.formUnion(shape(member.value, at: path + "." + key))
            }
            return all
        case .array(let elements):
            return elements.reduce(into: [path + "[]"]) { $0.formUnion(shape($1, at: path + "[]")) }
        case .string: return [path + ":text"]
        case .integer, .number: return [path + ":number"]
        case .bool: return [path + ":bool"]
        case .null: return [path]
        }
    }
}

extension Golden {
    /// Registrations that Java brokers sent.
    static func registrations(version: String) throws -> [Exchange] {
        try exchanges(version: version, with: "name server").filter { $0.request.requestCode == .registerBroker }
    }
}
