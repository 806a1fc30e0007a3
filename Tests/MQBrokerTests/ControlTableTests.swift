import Foundation
import MQBase
import MQConfig
import MQJSON
import MQObserve
import MQProtocol
import MQRemoting
import MQStore
import MQSystem
import Testing

@testable import MQBroker

@Suite struct ControlGroupTests {
    @Test func `a group comes to be when it is first asked for`() throws {
        let groups = try ControlMachines.groups()
        #expect(groups.existing("g") == nil)
        let made = try #require(groups.config(of: "g"))
        #expect((made.retryQueueNums, made.retryMaxTimes, made.consumeEnable) == (1, 16, true))
        #expect(groups.existing("g") == made)
        let version = groups.version
        #expect(groups.config(of: "g") == made)
        #expect(groups.version == version)
    }

    @Test func `no group comes to be when it may not, or with a bad name`() throws {
        let groups = try ControlMachines.groups(try ControlMachines.config(["autoCreateSubscriptionGroup": "false"]))
        #expect(groups.config(of: "g") == nil)
        #expect(groups.config(of: "TOOLS_CONSUMER") != nil)
        #expect(groups.config(of: "CID_RMQ_SYS_x") != nil)
        let open = try ControlMachines.groups()
        for name in ["", "../g", "a b", String(repeating: "g", count: 256)] { #expect(open.config(of: name) == nil) }
        #expect(throws: Refusal.self) { try open.put(SubscriptionGroupConfig(groupName: "../g")) }
    }

    @Test func `groups are found again`() throws {
        let folder = ControlFolder()
        let files = ConfigFiles(folder: folder.path, log: .silent)
        let groups = try ControlMachines.groups()
        groups.persist(to: files)
        files.start()
        var group = SubscriptionGroupConfig(groupName: "g")
        group.retryMaxTimes = 5
        try groups.put(group)
        groups.remove("CID_ONSAPI_PULL")
        files.stop()
        let again = try ControlMachines.groups(stored: try files.load("subscriptionGroup.json"))
        #expect(again.existing("g") == group)
        #expect(again.wrapper().dataVersion == groups.wrapper().dataVersion)
    }
}

@Suite struct ControlOffsetTests {
    @Test func `commits say what they did, and going back is allowed`() throws {
        let offsets = try ControlMachines.offsets()
        func commit(_ offset: Int64) -> OffsetTable.Commit {
            offsets.commit(group: "g", topic: "t", queueID: 0, offset: offset)
        }
        #expect(offsets.query(group: "g", topic: "t", queueID: 0) == nil)
        #expect(commit(5) == .moved)
        #expect(commit(5) == .unchanged)
        #expect(commit(3) == .wentBack(from: 5))
        #expect(offsets.query(group: "g", topic: "t", queueID: 0) == 3)
        #expect(offsets.query(group: "g", topic: "t", queueID: 1) == nil)
    }

    @Test func `both shapes of consumerOffset are read`() throws {
        let new = """
            {"dataVersion":{"counter":3,"stateVersion":0,"timestamp":9},"groupTopicMap":{"g":["t"]},
            "offsetTable":{"t@g":{0:50,1:26
            },"%RETRY%g@g":{0:1}}}
            """
        let old = #"{"offsetTable":{"t@g":{"0":50,1:26},"%RETRY%g@g":{0:1},"nonsense":{0:1},"@g":{0:2}}}"#
        for text in [new, old] {
            let offsets = try ControlMachines.offsets(stored: try JSON(parsing: text))
            #expect(offsets.offsets(group: "g", topic: "t") == [0: 50, 1: 26])
            #expect(offsets.topics(of: "g") == ["%RETRY%g", "t"])
            #expect(offsets.groups(of: "t") == ["g"])
        }
    }

    @Test func `offsets are written when they have changed, and at the stop`() throws {
        let folder = ControlFolder()
        let files = ConfigFiles(folder: folder.path, log: .silent)
        let offsets = try ControlMachines.offsets(try ControlMachines.config(["flushConsumerOffsetInterval": "100"]))
        offsets.persist(to: files)
        offsets.commit(group: "g", topic: "t", queueID: 2, offset: 7)
        files.start()
        let written = Monitor(false)
        files.save("consumerOffset.json") { error in
            written.signal {
                $0 = error == nil
                return true
            }
        }
        #expect(written.wait(milliseconds: 20_000) { $0 ? true : nil } == true)
        #expect(try folder.text("consumerOffset.json").contains("\"t@g\":{2:7\n\t\t}"))
        offsets.commit(group: "g", topic: "t", queueID: 2, offset: 8)
        files.stop()
        let again = try ControlMachines.offsets(stored: try files.load("consumerOffset.json"))
        #expect(again.query(group: "g", topic: "t", queueID: 2) == 8)
        #expect(folder.names == ["consumerOffset.json", "consumerOffset.json.bak"])
    }

    @Test func `nothing is written when nothing has changed`() throws {
        let folder = ControlFolder()
        let files = ConfigFiles(folder: folder.path, log: .silent)
        try ControlMachines.offsets().persist(to: files)
        files.start()
        files.stop()
        #expect(folder.names == [])
    }

    @Test func `removing a group or a topic takes its offsets and its room`() throws {
        let config = try ControlMachines.config()
        config.adjust { $0.limits.offsetsMax = 3 }
        let offsets = try ControlMachines.offsets(config)
        for (group, topic) in [("a", "t"), ("b", "t"), ("b", "u")] {
            #expect(offsets.commit(group: group, topic: topic, queueID: 0, offset: 1) == .moved)
        }
        #expect(offsets.commit(group: "c", topic: "t", queueID: 0, offset: 1) == .full)
        #expect(offsets.commit(group: "a", topic: "t", queueID: 0, offset: 2) == .moved)
        offsets.remove(topic: "t")
        #expect(offsets.topics(of: "b") == ["u"])
        offsets.remove(group: "b")
        #expect(offsets.wrapper().offsetTable.isEmpty)
        #expect(offsets.commit(group: "c", topic: "t", queueID: 0, offset: 1) == .moved)
    }

    @Test func `an unwritable folder is told to whoever waits, and the table is kept`() throws {
        let folder = ControlFolder()
        try folder.write("a file where the folder should be", to: "config")
        let files = ConfigFiles(folder: folder.path + "/config", log: .silent)
        let topics = try ControlMachines.topics()
        topics.persist(to: files)
        files.start()
        let outcome = Monitor<SystemError??>(nil)
        files.save("topics.json") { error in
            outcome.signal {
                $0 = .some(error)
                return true
            }
        }
        #expect(outcome.wait(milliseconds: 20_000) { $0 } != .some(nil))
        files.stop()
    }
}

@Suite struct ControlConfigTests {
    @Test func `keys become typed settings`() throws {
        let config = try ControlMachines.config([
            "namesrvAddr": "localhost:9876; 10.0.0.1:9877;localhost:9876", "listenPort": "20911",
            "brokerIP1": "10.1.2.3", "flushDiskType": "SYNC_FLUSH", "messageDelayLevel": "1s 2m 3h 4d",
        ]).current
        #expect(config.registration.nameServers == ["localhost:9876", "10.0.0.1:9877"])
        #expect(config.identity.address == "10.1.2.3:20911")
        #expect(config.identity.haAddress == "127.0.0.1:20912")
        #expect(config.identity.fastPort == 20909)
        #expect(config.store.isFlushSynchronous)
        #expect(config.store.delayLevels == [1000, 120_000, 10_800_000, 345_600_000])
        #expect(config.store.commitLogPath == "/nowhere/store/commitlog")
    }

    @Test(arguments: [
        ["brokerRole": "SLAVE"], ["enableControllerMode": "true"], ["enableDLegerCommitLog": "true"],
        ["aclEnable": "true"], ["storeType": "defaultRocksDB"], ["namesrvAddr": "nonsense"],
        ["namesrvAddr": "host:99999"], ["brokerName": "../x"], ["messageDelayLevel": "1s fast"],
        ["messageDelayLevel": "99999999999999999h"], ["storePathCommitLog": "/a/log,/a/log"],
        ["storePathCommitLog": "/a/log,"],
    ])
    func `what the broker cannot keep stops the start and is named`(keys: [String: String]) throws {
        let error = try #require(
            throws: BrokerConfigError.self, performing: { try ControlMachines.config(keys) })
        let key = try #require(keys.keys.first)
        #expect(error.description.contains(key) || error.description.contains("Name Server Address"))
    }

    @Test func `hot updates are all or nothing`() throws {
        let config = try ControlMachines.config()
        #expect(throws: Refusal.self) { try config.update("compressedRegister=true\nlistenPort=1\n") }
        #expect(!config.current.registration.compressedRegister)
        #expect(config.version.counter == 0)
        let changes = try config.update("compressedRegister=true\n")
        #expect(changes.map(\.key) == ["compressedRegister"])
        #expect(config.current.registration.compressedRegister)
        #expect(config.version.counter == 1)
        #expect(config.listing.contains("\ncompressedRegister=true\n"))
        let black = try #require(
            throws: Refusal.self, performing: { try config.update("brokerConfigPath=/etc/passwd") })
        #expect(black == Refusal(.noPermission, "Can not update config in black list."))
    }

    @Test func `rates are what came between two samples`() throws {
        let stats = BrokerStats(now: .init(nanoseconds: 0), wall: .init(rawValue: 0))
        stats.messagesIn.add(100)
        stats.sample(now: .init(nanoseconds: 10_000_000_000), wall: .init(rawValue: 10_000))
        stats.messagesIn.add(50)
        let values = Dictionary(
            uniqueKeysWithValues: stats.runtimeValues(now: .init(nanoseconds: 20_000_000_000)))
        #expect(values["putTps"] == "5.0 7.5 7.5")
        #expect(values["msgPutTotalTodayNow"] == "150")
        #expect(values["getTotalTps"] == "0.0 0.0 0.0")
    }

    @Test func `queue locks are one client's until they expire`() {
        let locks = QueueLocks(liveMilliseconds: 60_000)
        let queues = [0, 1].map { MessageQueue(topic: "t", brokerName: "b", queueID: $0) }
        #expect(locks.lock(queues, group: "g", clientID: "one", now: 0) == queues)
        #expect(locks.lock(queues, group: "g", clientID: "two", now: 60_000) == [])
        #expect(locks.lock(queues, group: "h", clientID: "two", now: 0) == queues)
        #expect(locks.lock([queues[0]], group: "g", clientID: "one", now: 50_000) == [queues[0]])
        #expect(locks.lock(queues, group: "g", clientID: "two", now: 70_000) == [queues[1]])
        locks.unlock(queues, group: "g", clientID: "two")
        #expect(locks.lock(queues, group: "g", clientID: "three", now: 70_000) == [queues[1]])
        locks.expire(now: 1_000_000)
        #expect(locks.lock(queues, group: "g", clientID: "four", now: 1_000_000) == queues)
    }
}
