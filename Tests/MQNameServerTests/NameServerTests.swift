import Foundation
import MQCompression
import MQConfig
import MQJSON
import MQProtocol
import MQTransport
import MQTestKit
import Testing

@testable import MQNameServer

@Suite struct NameServerTests {
    @Test func `a registration is taken in every form`() throws {
        let running = try RunningNameServer()
        let peer = try running.connect()
        var version: Int64 = 0
        func register(_ topic: String, _ form: (RegisterBrokerBody) throws -> ([UInt8], Bool)) throws -> ResponseCode {
            version += 1
            let request = try RemotingCommand.registration(of: [topic, "other"], version: version) { try form($0) }
            return try peer.ask(request).responseCode
        }
        #expect(try register("json") { ($0.encoded(), false) } == .success)
        #expect(try register("zlib5") { (try $0.compressed(), true) } == .success)
        #expect(try register("zlib4") { (try $0.compressed(forVersion5: false), true) } == .success)
        #expect(try register("unlabelled") { (try $0.compressed(), false) } == .success)
        for topic in ["json", "zlib5", "zlib4", "unlabelled"] {
            let answer = try peer.ask(.route(topic))
            #expect(answer.json["brokerDatas"][0]["brokerAddrs"]["0"] == "127.0.0.2:1", "\(topic)")
        }
    }

    @Test func `the form of routes follows the client's version, and answers are made again after a change`() throws {
        let running = try RunningNameServer()
        let peer = try running.connect()
        _ = try peer.ask(.registration(of: ["x", "y"]))
        var old = RemotingCommand.route("x")
        old.version = 400
        for _ in 0..<2 {  // the second comes from the cache
            #expect(String(decoding: try peer.ask(.route("x")).body, as: UTF8.self).contains(#"{"0":"#))
            #expect(String(decoding: try peer.ask(old).body, as: UTF8.self).contains("{0:"))
        }
        old["acceptStandardJsonOnly"] = "true"
        #expect(String(decoding: try peer.ask(old).body, as: UTF8.self).contains(#"{"0":"#))
        var zoned = RemotingCommand.route("x")
        zoned["__ZONE_MODE"] = "true"
        zoned["__ZONE_NAME"] = "elsewhere"
        #expect(try peer.ask(zoned).json["brokerDatas"].array == [])
        _ = try peer.ask(.registration(of: ["x", "y"], address: "127.0.0.3:1", id: 1))
        #expect(try peer.ask(.route("x")).json["brokerDatas"][0]["brokerAddrs"]["1"] == "127.0.0.3:1")
        let wiped = try peer.ask(RemotingCommand(.wipeWritePermOfBroker, ["brokerName": "broker-a"]))
        #expect(wiped.int32("wipeTopicCount") == 2)
        #expect(try peer.ask(.route("x")).json["queueDatas"][0]["perm"].int == 4)
    }

    @Test func `a closed channel takes its broker at once`() throws {
        let running = try RunningNameServer()
        let broker = try running.connect()
        let client = try running.connect()
        _ = try broker.ask(.registration(of: ["x", "y"]))
        #expect(try client.ask(.route("x")).responseCode == .success)
        broker.hangUp()
        let deadline = ContinuousClock.now + .seconds(10)
        while try client.ask(.route("x")).responseCode == .success { try #require(ContinuousClock.now < deadline) }
        #expect(try client.ask(RemotingCommand(.getBrokerClusterInfo)).json["brokerAddrTable"].object?.isEmpty == true)
    }

    @Test func `a broker that falls silent goes, and its connection with it`() throws {
        let running = try RunningNameServer(["scanNotActiveBrokerInterval": "10"])
        let broker = try running.connect()
        var request = try RemotingCommand.registration(of: ["x", "y"])
        request["heartbeatTimeoutMillis"] = "1"
        _ = try broker.ask(request)
        #expect(broker.isClosed())
        #expect(try running.connect().ask(.route("x")).responseCode == .topicNotExist)
    }

    @Test func `hostile registrations are refused with a sentence and the server goes on`() throws {
        let running = try RunningNameServer()
        let peer = try running.connect()
        func refusal(_ body: [UInt8], compressed: Bool, crc: Int64 = 0) throws -> String {
            var request = try RemotingCommand.registration(of: []) { _ in (body, compressed) }
            request["bodyCrc32"] = String(crc)
            let answer = try peer.ask(request)
            #expect(answer.responseCode == .systemError)
            return answer.remark ?? ""
        }
        #expect(try refusal(Array("{}".utf8), compressed: false, crc: 5) == "crc32 not match")
        #expect(try refusal(Array("{}".utf8), compressed: false).contains("topicConfigSerializeWrapper"))
        #expect(try refusal(Array("nonsense".utf8), compressed: false).contains("no JSON at offset"))
        let deep = [UInt8](repeating: 0x5B, count: 1 << 20)
        #expect(try refusal(deep, compressed: false).contains("deeper than 32 levels"))
        #expect(try refusal(Array("{}".utf8), compressed: true) == "the compressed body is no zlib stream")
        let bomb = try Zlib.deflate([UInt8](repeating: 0, count: 40 << 20).span)
        #expect(try refusal(bomb, compressed: true).contains("expands to more than"))
        let version = DataVersion().encoded()
        let topic = [0, 0, 0, 9] + Array("t 1 1 6 S".utf8)
        let lying = [0, 0, 0, UInt8(version.count)] + version + [0x7F, 0xFF, 0xFF, 0xFF] + topic
        #expect(try refusal(try Zlib.deflate(lying.span), compressed: true).contains("truncated"))
        var nameless = try RemotingCommand.registration(of: ["x", "y"])
        nameless["brokerName"] = nil
        #expect(try peer.ask(nameless).remark == "the custom field <brokerName> is null")
        #expect(try peer.ask(.route("x")).responseCode == .topicNotExist)
    }

    @Test func `unknown codes, missing fields and empty tables get RocketMQ's answers`() throws {
        let running = try RunningNameServer()
        let peer = try running.connect()
        let unknown = try peer.ask(RemotingCommand(RequestCode(rawValue: 12_345)))
        #expect(unknown.code == 3 && unknown.remark == " request type 12345 not supported")
        #expect(try peer.ask(RemotingCommand(.getRouteInfoByTopic)).responseCode == .topicNotExist)
        #expect(
            try peer.ask(RemotingCommand(.getKVConfig, ["namespace": "n", "key": "k"])).remark
                == "No config item, Namespace: n Key: k")
        #expect(try peer.ask(RemotingCommand(.getKVListByNamespace, ["namespace": "n"])).responseCode == .queryNotFound)
        #expect(try peer.ask(RemotingCommand(.putKVConfig)).remark == "namespace or key is null")
        #expect(try peer.ask(RemotingCommand(.getSystemTopicListFromNameServer)).json == ["topicList": []])
        var oneWay = RemotingCommand.route("x")
        oneWay.isOneWay = true
        peer.send(oneWay.frame())
        #expect(try peer.ask(RemotingCommand(.getUnitTopicList)).json == ["topicList": []])
    }

    @Test func `KV configuration survives a restart, and orders routes when it is asked to`() throws {
        let running = try RunningNameServer(["orderMessageEnable": "true"])
        var peer = try running.connect()
        let order = ["namespace": "ORDER_TOPIC_CONFIG", "key": "x", "value": "broker-a:4"] as KeyValuePairs
        #expect(try peer.ask(RemotingCommand(.putKVConfig, order)).responseCode == .success)
        let file = #"{"configTable":{"ORDER_TOPIC_CONFIG":{"x":"broker-a:4"}}}"#
        #expect(try running.text("namesrv/kvConfig.json") == file)
        running.stop()
        try running.start()
        peer = try running.connect()
        #expect(
            try peer.ask(RemotingCommand(.getKVConfig, ["namespace": "ORDER_TOPIC_CONFIG", "key": "x"]))["value"]
                == "broker-a:4")
        #expect(try peer.ask(.registration(of: ["x", "y"])).json == ["table": ["x": "broker-a:4"]])
        #expect(try peer.ask(.route("x")).json["orderTopicConf"] == "broker-a:4")
        let key = ["namespace": "ORDER_TOPIC_CONFIG", "key": "x"] as KeyValuePairs
        #expect(try peer.ask(RemotingCommand(.deleteKVConfig, key)).responseCode == .success)
        #expect(try peer.ask(.route("x")).json["orderTopicConf"].isNull)
        #expect(try running.text("namesrv/kvConfig.json.bak").contains("broker-a:4"))
        try "{damaged".write(
            to: running.folder.appendingPathComponent("namesrv/kvConfig.json"), atomically: true, encoding: .utf8)
        running.stop()
        try running.start()
        #expect(try running.connect().ask(RemotingCommand(.getKVConfig, key))["value"] == "broker-a:4")
    }

    @Test func `its own configuration is shown and updated, but for the black list`() throws {
        let running = try RunningNameServer()
        let peer = try running.connect()
        func update(_ text: String) throws -> RemotingCommand {
            try peer.ask(RemotingCommand(.updateNameServerConfig, body: Array(text.utf8)))
        }
        #expect(try update("enableTopicList=false\n").responseCode == .success)
        #expect(try peer.ask(RemotingCommand(.getTopicsByCluster, ["cluster": "c"])).remark == "disable")
        #expect(try running.text("namesrv/namesrv.properties").contains("enableTopicList=false\n"))
        let shown = String(decoding: try peer.ask(RemotingCommand(.getNameServerConfig)).body, as: UTF8.self)
        #expect(shown.contains("\nenableTopicList=false\n") && shown.contains("bindAddress=127.0.0.1\n"))
        for text in ["kvConfigPath=/etc/passwd", "configBlackList=", "enableTopicList=true\nconfigStorePath=/x"] {
            let answer = try update(text)
            #expect(answer.responseCode == .noPermission && answer.remark == "Can not update config in black list.")
        }
        #expect(try update("enableTopicList=perhaps").remark?.contains("true or false") == true)
        #expect(try update("listenPort=1").remark?.contains("restart") == true)
        #expect(try update("enableTopicLits=true").remark?.contains("enableTopicList") == true)
        #expect(try update("x=\\u12").remark == "string2Properties error")
        #expect(try peer.ask(RemotingCommand(.getTopicsByCluster, ["cluster": "c"])).remark == "disable")
    }

    @Test func `what cannot be written is answered so`() throws {
        let running = try RunningNameServer(["kvConfigPath": "/proc/none/kvConfig.json"])
        let answer = try running.connect().ask(
            RemotingCommand(.putKVConfig, ["namespace": "n", "key": "k", "value": "v"]))
        #expect(answer.responseCode == .systemError && answer.remark?.contains("/proc/none") == true)
    }

    @Test func `data versions, light heartbeats and member groups`() throws {
        let running = try RunningNameServer()
        let peer = try running.connect()
        let broker =
            ["brokerName": "broker-a", "brokerAddr": "127.0.0.2:1", "clusterName": "DefaultCluster", "brokerId": "0"]
            as KeyValuePairs
        func query(_ counter: Int64) throws -> RemotingCommand {
            try peer.ask(RemotingCommand(.queryDataVersion, broker, body: DataVersion(counter: counter).encoded()))
        }
        #expect(try query(1)["changed"] == "true")
        _ = try peer.ask(.registration(of: ["x", "y"]))
        #expect(try query(1)["changed"] == "false")
        #expect(try DataVersion(parsing: try query(2).body) == DataVersion(counter: 1))
        // Without a version of its own, and of a broker that is not known.
        let bare = try peer.ask(RemotingCommand(.queryDataVersion, broker))
        #expect(bare.responseCode == .success && bare["changed"] == "true")
        #expect(try DataVersion(parsing: bare.body) == DataVersion(counter: 1))
        let stranger = try peer.ask(
            RemotingCommand(.queryDataVersion, ["clusterName": "DefaultCluster", "brokerAddr": "127.0.0.2:2"]))
        #expect(stranger.responseCode == .success && stranger["changed"] == "true" && stranger.body.isEmpty)
        let broken = try peer.ask(RemotingCommand(.queryDataVersion, broker, body: Array("{".utf8)))
        #expect(broken.responseCode != .success && broken.remark?.isEmpty == false)
        #expect(try peer.ask(RemotingCommand(.brokerHeartbeat, broker)).responseCode == .success)
        let group = try peer.ask(RemotingCommand(.getBrokerMemberGroup, broker)).json["brokerMemberGroup"]
        #expect(group["brokerAddrs"]["0"] == "127.0.0.2:1" && group["cluster"] == "DefaultCluster")
        #expect(try peer.ask(RemotingCommand(.unregisterBroker, broker)).responseCode == .success)
        #expect(try peer.ask(.route("x")).responseCode == .topicNotExist)
    }

    @Test func `routes are held back at first if the file says so`() throws {
        let running = try RunningNameServer(["needWaitForService": "true", "waitSecondsForService": "3600"])
        let answer = try running.connect().ask(.route("x"))
        #expect(answer.responseCode == .systemError && answer.remark == "name server not ready")
    }

    @Test func `a port in use and a damaged file stop the start with a sentence`() throws {
        let running = try RunningNameServer()
        let port = try #require(running.server).address.port
        var config = ConfigValues(.nameServer, on: ConfigMachine(home: running.folder.path))
        try config.set("bindAddress", to: "127.0.0.1")
        try config.set("listenPort", to: String(port))
        #expect(throws: NameServerError.portInUse(host: "127.0.0.1", port: port)) { try NameServer(config: config) }
        try config.set("listenPort", to: "0")
        try config.set("kvConfigPath", to: running.folder.path + "/kv.json")
        try FileManager.default.createDirectory(at: running.folder, withIntermediateDirectories: true)
        try "{damaged".write(
            to: running.folder.appendingPathComponent("kv.json"), atomically: true, encoding: .utf8)
        #expect(throws: NameServerError.self) { try NameServer(config: config) }
    }
}
