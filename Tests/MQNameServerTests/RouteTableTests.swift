import MQBase
import MQJSON
import MQProtocol
import Testing

@testable import MQNameServer

/// Registrations of one cluster, made shorter.
struct Machines {
    var table = RouteTable()
    var now = Instant(nanoseconds: 0)

    static func topics(_ names: [String], version: DataVersion, perm: TopicPermission = [.read, .write])
        -> TopicConfigSerializeWrapper
    {
        let configs = names.map { ($0, TopicConfig(topicName: $0, readQueueNums: 4, writeQueueNums: 4, perm: perm)) }
        return TopicConfigSerializeWrapper(
            dataVersion: version, topicConfigTable: Dictionary(uniqueKeysWithValues: configs))
    }

    @discardableResult
    mutating func register(
        _ broker: String = "a", id: Int64 = 0, at address: String = "h:1", topics: [String]? = ["x", "y"],
        version: Int64 = 1, state: Int64 = 0, perm: TopicPermission = [.read, .write], acting: Bool? = false,
        channel: UInt64 = 1, timeout: Int64 = 120_000, cluster: String = "c", zone: String? = nil
    ) throws(RouteRefusal) -> RouteTable.RegistrationAnswer {
        let dataVersion = DataVersion(stateVersion: state, timestamp: 0, counter: version)
        var registration = RouteTable.Registration(
            cluster: cluster, brokerName: broker, address: address, brokerID: id, haServerAddress: "ha-" + address,
            topics: topics.map { Self.topics($0, version: dataVersion, perm: perm) }, channel: channel)
        registration.enableActingMaster = acting
        registration.heartbeatTimeoutMilliseconds = timeout
        registration.zoneName = zone
        return try table.register(registration, at: now)
    }

    func addresses(_ topic: String) -> [String]? {
        table.route(of: topic)?.brokerDatas.flatMap { $0.brokerAddrs.sorted { $0.key < $1.key }.map(\.value) }
    }

    func queues(_ topic: String, at broker: String = "a") -> QueueData? {
        table.route(of: topic)?.queueDatas.first { $0.brokerName == broker }
    }
}

@Suite struct RegistrationTests {
    @Test func `a master's registration makes routes to its topics`() throws {
        var machines = Machines()
        #expect(try machines.register() == .registered(isNew: true))
        #expect(machines.addresses("x") == ["h:1"])
        #expect(
            machines.queues("x")
                == QueueData(brokerName: "a", readQueueNums: 4, writeQueueNums: 4, perm: [.read, .write]))
        #expect(machines.addresses("absent") == nil)
        #expect(machines.table.allTopics == ["x", "y"])
        #expect(machines.table.clusterInfo.clusterAddrTable == ["c": ["a"]])
    }

    @Test func `a slave adds its address and no topics, and is told its master`() throws {
        var machines = Machines()
        try machines.register()
        let answer = try machines.register(id: 1, at: "h:2", topics: ["z", "w"], channel: 2)
        #expect(answer == .slave(isNew: true, masterAddress: "h:1", haServerAddress: "ha-h:1"))
        #expect(machines.addresses("x") == ["h:1", "h:2"])
        #expect(machines.addresses("z") == nil)
    }

    @Test func `a slave without a master registers topics if it is of version 5 and the first`() throws {
        var machines = Machines()
        #expect(try machines.register(id: 2, at: "h:2", acting: nil) == .registered(isNew: true))
        #expect(machines.addresses("x") == nil, "an old slave has no say")
        try machines.register(id: 1, at: "h:3", acting: false, channel: 2)
        #expect(machines.queues("x")?.perm == [.read, .write])
        try machines.register(id: 1, at: "h:3", version: 2, acting: true, channel: 2)
        #expect(machines.queues("x")?.perm == .read, "who acts for a master takes no messages")
        try machines.register(id: 2, at: "h:2", topics: ["v", "w"], version: 9, acting: true)
        #expect(machines.addresses("v") == nil, "only the slave with the least id speaks")
    }

    @Test func `unchanged topics change nothing, a new data version does`() throws {
        var machines = Machines()
        try machines.register()
        let version = machines.table.version
        #expect(try machines.register() == .registered(isNew: false))
        try machines.register(perm: .read)
        #expect(machines.table.version == version)
        #expect(machines.queues("x")?.perm == [.read, .write])
        try machines.register(version: 2, perm: .read)
        #expect(machines.queues("x")?.perm == .read)
        #expect(machines.table.version != version)
    }

    @Test func `a topic that is missing is entered even if the data version is the same`() throws {
        var machines = Machines()
        try machines.register()
        machines.table.deleteTopic("x", cluster: nil)
        try machines.register()
        #expect(machines.addresses("x") == ["h:1"])
    }

    @Test func `one topic of a broker that is not registered is refused`() throws {
        var machines = Machines()
        #expect(throws: RouteRefusal.notRegistered) { try machines.register(topics: ["x"]) }
        #expect(machines.table.clusterInfo == ClusterInfo())
        try machines.register()
        try machines.register(topics: ["z"], version: 2)
        #expect(machines.table.allTopics == ["x", "y", "z"])
        #expect(throws: RouteRefusal.notRegistered) { try machines.register(id: 1, at: "h:2", topics: ["x"]) }
    }

    @Test func `a slave that becomes master stands under one id only`() throws {
        var machines = Machines()
        try machines.register(id: 1, at: "h:2")
        try machines.register(id: 0, at: "h:2", version: 2)
        #expect(machines.table.addresses(of: "a") == [0: "h:2"])
    }

    @Test func `a new address takes a broker id over unless the holder's state is newer`() throws {
        var machines = Machines()
        try machines.register(state: 5)
        #expect(try machines.register(at: "h:9", state: 4, channel: 2) == .conflict(heldBy: "h:1"))
        #expect(machines.addresses("x") == ["h:1"])
        #expect(try machines.register(at: "h:9", state: 6, channel: 2) == .registered(isNew: false))
        #expect(machines.addresses("x") == ["h:9"])
        #expect(machines.table.channelClosed(1).isEmpty, "the old process does not take the new one with it")
        #expect(machines.addresses("x") == ["h:9"])
    }

    @Test func `a process that comes back under another name leaves nothing under the old one`() throws {
        var machines = Machines()
        try machines.register("a")
        try machines.register("b")
        #expect(machines.table.clusterInfo.clusterAddrTable == ["c": ["b"]])
        machines.table.unregister(cluster: "c", brokerName: "a", address: "h:1")
        #expect(machines.addresses("x") == ["h:1"])
    }

    @Test func `a registration without a body resets the data version and keeps the broker alive`() throws {
        var machines = Machines()
        try machines.register()
        try machines.register(topics: nil)
        #expect(machines.table.dataVersion(cluster: "c", address: "h:1") == DataVersion())
        #expect(machines.addresses("x") == ["h:1"])
    }

    @Test func `topics that are not registered any more stay, or go if the rules say so`() throws {
        var machines = Machines()
        try machines.register(topics: ["x", "y", "z"])
        try machines.register(topics: ["x", "y"], version: 2)
        #expect(machines.table.allTopics == ["x", "y", "z"])
        var rules = RouteTable.Rules()
        rules.deletesTopicsNotRegistered = true
        machines.table.setRules(rules)
        try machines.register(topics: ["x", "y"], version: 3)
        #expect(machines.table.allTopics == ["x", "y"])
    }

    @Test func `logical queues are carried along and go with their topic`() throws {
        var machines = Machines()
        var topics = Machines.topics(["x", "y"], version: DataVersion(counter: 1))
        topics.topicQueueMappingInfoMap = ["x": ["bname": "a", "topic": "x", "totalQueues": 8]]
        let registration = RouteTable.Registration(
            cluster: "c", brokerName: "a", address: "h:1", brokerID: 0, topics: topics, channel: 1)
        _ = try machines.table.register(registration, at: machines.now)
        #expect(machines.table.route(of: "x")?.topicQueueMappingByBroker?["a"]?["totalQueues"].int == 8)
        #expect(machines.table.route(of: "y")?.topicQueueMappingByBroker == nil)
        machines.table.deleteTopic("x", cluster: "c")
        try machines.register(version: 2)
        #expect(machines.table.route(of: "x")?.topicQueueMappingByBroker == nil)
    }

    @Test func `names without sense and tables without end are refused, and nothing changes`() throws {
        var machines = Machines()
        for bad in ["", "a\nb", String(repeating: "x", count: 513)] {
            #expect(throws: RouteRefusal.badName(field: "brokerName")) { try machines.register(bad) }
            #expect(throws: RouteRefusal.badName(field: "brokerAddr")) { try machines.register(at: bad) }
            #expect(throws: RouteRefusal.badName(field: "clusterName")) { try machines.register(cluster: bad) }
            #expect(throws: RouteRefusal.badName(field: "topic")) { try machines.register(topics: [bad, "y"]) }
        }
        let many = (0...RouteTable.Limit.topics).map { "t\($0)" }
        #expect(throws: RouteRefusal.tooMany("topics", limit: RouteTable.Limit.topics)) {
            try machines.register(topics: many)
        }
        for id in 0..<RouteTable.Limit.addressesPerBroker {
            try machines.register(id: Int64(id), at: "h:\(id)", topics: nil)
        }
        #expect(throws: RouteRefusal.self) { try machines.register(id: 9999, at: "h:9999", topics: nil) }
        for index in 1..<RouteTable.Limit.brokers { try machines.register("b\(index)", at: "i:\(index)", topics: nil) }
        #expect(throws: RouteRefusal.self) { try machines.register("one more", at: "j:1", topics: nil) }
        #expect(machines.table.allTopics.isEmpty)
    }
}

@Suite struct DepartureTests {
    @Test func `the last process under a name takes the broker, its topics and its cluster with it`() throws {
        var machines = Machines()
        try machines.register()
        try machines.register(id: 1, at: "h:2", channel: 2)
        machines.table.unregister(cluster: "c", brokerName: "a", address: "h:1")
        #expect(machines.addresses("x") == ["h:2"], "a slave is enough for a route")
        #expect(machines.queues("x")?.perm == [.read, .write])
        machines.table.unregister(cluster: "c", brokerName: "a", address: "h:2")
        #expect(machines.table.clusterInfo == ClusterInfo())
        #expect(machines.table.allTopics.isEmpty)
        #expect(machines.table.queueDataCount == 0)
        machines.table.unregister(cluster: "c", brokerName: "a", address: "h:2")
    }

    @Test func `where slaves act for masters a lost master leaves its topics read-only`() throws {
        var machines = Machines()
        try machines.register(acting: true)
        try machines.register(id: 1, at: "h:2", acting: true, channel: 2)
        machines.table.unregister(cluster: "c", brokerName: "a", address: "h:1")
        #expect(machines.queues("x")?.perm == .read)
        #expect(machines.table.route(of: "x")?.brokerDatas.first?.brokerAddrs == [1: "h:2"])
        var rules = RouteTable.Rules()
        rules.supportsActingMaster = true
        machines.table.setRules(rules)
        #expect(machines.table.route(of: "x")?.brokerDatas.first?.brokerAddrs == [0: "h:2"])
    }

    @Test func `a closed channel takes the brokers that registered on it last`() throws {
        var machines = Machines()
        try machines.register("a", at: "h:1", channel: 1)
        try machines.register("b", at: "h:2", channel: 1)
        try machines.register("d", at: "h:3", channel: 1)
        try machines.register("d", at: "h:3", channel: 2)
        let gone = machines.table.channelClosed(1).map(\.brokerName).sorted()
        #expect(gone == ["a", "b"])
        #expect(machines.addresses("x") == ["h:3"])
        #expect(machines.table.channelClosed(1).isEmpty)
    }

    @Test func `a silent broker goes after the time that it named itself`() throws {
        var machines = Machines()
        try machines.register("a", at: "h:1", channel: 1)
        try machines.register("b", at: "h:2", channel: 2, timeout: 10_000)
        machines.now = Instant(nanoseconds: 10_000_000_000)
        #expect(machines.table.expire(at: machines.now).gone.isEmpty, "not yet: exactly at the limit")
        machines.now = Instant(nanoseconds: 10_000_000_001)
        let first = machines.table.expire(at: machines.now)
        #expect(first.gone.map(\.brokerName) == ["b"] && first.channels == [2])
        machines.now = Instant(nanoseconds: 100_000_000_000)
        machines.table.refresh(cluster: "c", address: "h:1", at: machines.now)
        machines.now = Instant(nanoseconds: 220_000_000_000)
        #expect(machines.table.expire(at: machines.now).gone.isEmpty)
        machines.now = Instant(nanoseconds: 220_000_000_001)
        #expect(machines.table.expire(at: machines.now).channels == [1])
        #expect(machines.table.allTopics.isEmpty)
    }

    @Test func `a channel with another living broker is not closed for a silent one`() throws {
        var machines = Machines()
        try machines.register("a", at: "h:1", timeout: 1000)
        try machines.register("b", at: "h:2", timeout: 5000)
        let expired = machines.table.expire(at: Instant(nanoseconds: 2_000_000_000))
        #expect(expired.gone.map(\.brokerName) == ["a"] && expired.channels.isEmpty)
    }

    @Test func `a heartbeat time beyond all bounds neither traps nor expires`() throws {
        var machines = Machines()
        try machines.register(timeout: .max)
        try machines.register("b", at: "h:2", timeout: .min)
        let expired = machines.table.expire(at: Instant(nanoseconds: .max - 1))
        #expect(expired.gone.map(\.brokerName) == ["b"])
    }

    /// Whatever happens, the counts and the indexes agree with the tables.
    @Test func `random histories leave no remains`() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        var random = SeededRandom(seed: seed)
        var machines = Machines()
        for step in 0..<4000 {
            let broker = ["a", "b", "d"].randomElement(using: &random) ?? "a"
            let address = "h:\(Int.random(in: 0..<5, using: &random))"
            let channel = UInt64.random(in: 0..<4, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0: machines.table.unregister(cluster: "c", brokerName: broker, address: address)
            case 1: _ = machines.table.channelClosed(channel)
            case 2: _ = machines.table.expire(at: machines.now)
            case 3: machines.table.deleteTopic("x", cluster: ["c", nil].randomElement(using: &random) ?? nil)
            default:
                machines.now = machines.now.advanced(byMilliseconds: 300)
                let acting: [Bool?] = [nil, true, false]
                _ = try? machines.register(
                    broker, id: Int64.random(in: 0..<3, using: &random), at: address,
                    version: Int64.random(in: 0..<3, using: &random), state: Int64.random(in: 0..<2, using: &random),
                    acting: acting.randomElement(using: &random) ?? nil, channel: channel, timeout: 2000)
            }
            let table = machines.table
            try #require(table.queueDataCount == table.topics.values.reduce(0) { $0 + $1.count }, "step \(step)")
            try #require(Set(table.channels.values.flatMap { $0 }) == Set(table.live.keys), "step \(step)")
            try #require(Set(table.clusters["c"] ?? []) == Set(table.brokers.keys), "step \(step)")
            try #require(table.brokers.values.allSatisfy { !$0.brokerAddrs.isEmpty }, "step \(step)")
            let addresses = table.brokers.flatMap { broker in broker.value.brokerAddrs.values.map { [broker.key, $0] } }
            let alive = table.live.map { [$0.value.brokerName, $0.key.address] }
            try #require(Set(addresses) == Set(alive) && addresses.count == alive.count, "step \(step)")
            try #require(table.topics.values.allSatisfy { !$0.isEmpty }, "step \(step)")
        }
    }
}

@Suite struct RouteQueryTests {
    @Test func `write permission is wiped and added for all topics of a broker, with counts`() throws {
        var machines = Machines()
        try machines.register(perm: [.read, .write, .inherit])
        #expect(machines.table.wipeWritePermission(of: "a") == 2)
        #expect(machines.queues("x")?.perm == [.read, .inherit])
        #expect(machines.table.addWritePermission(of: "a") == 2)
        #expect(machines.queues("x")?.perm == [.read, .write])
        #expect(machines.table.wipeWritePermission(of: "nobody") == 0)
        _ = machines.table.wipeWritePermission(of: "a")
        try machines.register(version: 2)
        #expect(machines.queues("x")?.perm == [.read, .write], "lost with the next change, as in RocketMQ")
    }

    @Test func `a topic is deleted everywhere or in one cluster`() throws {
        var machines = Machines()
        try machines.register("a", at: "h:1")
        try machines.register("b", at: "h:2", cluster: "d")
        machines.table.deleteTopic("x", cluster: "d")
        #expect(machines.addresses("x") == ["h:1"])
        machines.table.deleteTopic("x", cluster: "none such")
        machines.table.deleteTopic("y", cluster: nil)
        #expect(machines.table.allTopics == ["x"])
    }

    @Test func `queues are registered for known brokers only`() throws {
        var machines = Machines()
        try machines.register()
        let known = QueueData(brokerName: "a", readQueueNums: 2, writeQueueNums: 2, perm: .read)
        var unknown = known
        unknown.brokerName = "nobody"
        try machines.table.registerTopic("new", [known, unknown])
        #expect(machines.queues("new") == known)
        try machines.table.registerTopic("other", [unknown])
        #expect(!machines.table.allTopics.contains("other"))
    }

    @Test func `lists name topics by cluster, system topics and unit topics`() throws {
        var machines = Machines()
        try machines.register("a", at: "h:1")
        try machines.register("b", at: "h:2", topics: ["y", "z"], cluster: "d")
        #expect(machines.table.topics(inCluster: "d") == ["y", "z"])
        #expect(machines.table.topics(inCluster: "none").isEmpty)
        #expect(machines.table.systemTopics == TopicList(topicList: ["c", "a", "d", "b"], brokerAddr: "h:1"))
        for (name, flag) in [("u", 1), ("s", 2), ("us", 3)] {
            let queues = QueueData(
                brokerName: "a", readQueueNums: 1, writeQueueNums: 1, perm: .read, topicSysFlag: flag)
            try machines.table.registerTopic(name, [queues])
        }
        #expect(machines.table.topics { $0.contains(.unit) } == ["u", "us"])
        #expect(machines.table.topics { $0.contains(.unitSubscription) } == ["s", "us"])
        #expect(machines.table.topics { $0.contains(.unitSubscription) && !$0.contains(.unit) } == ["s"])
    }

    @Test func `a zone sees its own brokers, and those without a master`() throws {
        var machines = Machines()
        try machines.register("a", at: "h:1", zone: "east")
        try machines.register("b", at: "h:2", zone: "west")
        try machines.register("d", id: 1, at: "h:3", zone: "west")
        let route = try #require(machines.table.route(of: "x")).inZone("EAST")
        #expect(route.brokerDatas.map(\.brokerName) == ["a", "d"])
        #expect(route.queueDatas.map(\.brokerName) == ["a", "d"])
    }
}

@Suite struct KVConfigTests {
    @Test func `the file is read back as it was written, and a namespace stays when it is empty`() throws {
        var config = KVConfig()
        try config.put("ORDER_TOPIC_CONFIG", "t", "broker-a:2")
        try config.put("n", "k \"quoted\"", "ü\n")
        let deletions = [config.delete("ORDER_TOPIC_CONFIG", "t"), config.delete("ORDER_TOPIC_CONFIG", "t")]
        #expect(deletions == [true, false])
        #expect(try KVConfig(parsing: config.encoded) == config)
        #expect(config.namespaces["ORDER_TOPIC_CONFIG"] == [:])
        #expect(try KVConfig(parsing: Array(#"{"configTable":{"a":{"b":"c"}}}"#.utf8))["a", "b"] == "c")
        for bad in ["", "[]", #"{"configTable":[]}"#, #"{"configTable":{"a":1}}"#, #"{"configTable":{"a":{"b":[]}}}"#] {
            #expect(throws: BodyError.self) { try KVConfig(parsing: Array(bad.utf8)) }
        }
    }

    @Test func `keys and bytes are bounded`() throws {
        var config = KVConfig()
        let large = String(repeating: "v", count: KVConfig.byteCountMax)
        #expect(throws: KVConfig.Refusal.tooManyBytes) { try config.put("n", "k", large) }
        try config.put("n", "k", String(large.dropLast(2)))
        try config.put("n", "k", "small")
        for index in 1..<(KVConfig.keysMax - 1) { try config.put("n", "k\(index)", "") }
        #expect(throws: KVConfig.Refusal.tooManyKeys) { try config.put("n", "one more", "") }
        try config.put("n", "k", "changed")
    }
}
