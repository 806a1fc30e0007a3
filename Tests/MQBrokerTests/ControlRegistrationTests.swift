import Foundation
import MQBase
import MQConfig
import MQJSON
import MQNameServer
import MQProtocol
import MQSystem
import MQTestKit
import MQTransport
import Testing

@testable import MQBroker

/// The registrar against real name servers on loopback.
@Suite struct ControlRegistrationTests {
    private final class Machines {
        let folder = ControlFolder()
        private(set) var servers: [NameServer] = []

        func add(port: Int = 0) throws -> Int {
            var values = ConfigValues(.nameServer, on: ConfigMachine(home: folder.path + "/\(servers.count)"))
            try values.set("listenPort", to: String(port))
            try values.set("bindAddress", to: "127.0.0.1")
            let server = try NameServer(config: values)
            server.start()
            servers.append(server)
            return server.address.port
        }

        deinit { for server in servers { server.stop() } }
    }

    private func route(_ topic: String, from port: Int) throws -> TopicRouteData? {
        let answer = try RemotingPeer(port: port).ask(RemotingCommand(.getRouteInfoByTopic, ["topic": topic]))
        return answer.responseCode == .success ? try TopicRouteData(parsing: answer.body) : nil
    }

    /// A registrar with a loop of its own, and the tables behind it.
    private struct Broker {
        let config: LiveConfig
        let topics: TopicTable
        let loop: EventLoop
        let registrar: NameServerRegistrar

        init(_ nameServers: [Int], _ keys: [String: String] = [:]) throws {
            var keys = keys
            keys["namesrvAddr"] = nameServers.map { "127.0.0.1:\($0)" }.joined(separator: ";")
            config = try ControlMachines.config(keys)
            topics = try ControlMachines.topics(config)
            loop = try EventLoop("registrar-io")
            registrar = NameServerRegistrar(config: config, topics: topics, loop: loop)
            loop.start()
        }

        func stop() {
            registrar.stop()
            loop.stop()
        }

        /// Waits until the name servers have the topics as they are now; `false` after twenty seconds.
        func waitUntilRegistered() -> Bool {
            let done = Monitor(false)
            registrar.whenRegistered {
                done.signal {
                    $0 = true
                    return true
                }
            }
            return done.wait(milliseconds: 20_000) { $0 ? true : nil } == true
        }
    }

    @Test(arguments: ["false", "true"])
    func `all name servers know the broker after the start, see changes soon, and forget it at the stop`(
        compressed: String
    ) throws {
        let machines = Machines()
        let ports = [try machines.add(), try machines.add()]
        let broker = try Broker(ports, ["compressedRegister": compressed])
        broker.registrar.start(waitMilliseconds: 20_000)
        #expect(broker.registrar.isRegisteredEverywhere)
        for port in ports {
            let route = try #require(try route("TBW102", from: port))
            #expect(route.brokerDatas.first?.brokerAddrs == [0: broker.config.current.identity.address])
            #expect(route.queueDatas.first?.perm.rawValue == 7)
        }
        try broker.topics.put(TopicConfig(topicName: "fresh", readQueueNums: 3, writeQueueNums: 3))
        for port in ports { #expect(try waitForRoute("fresh", from: port)?.queueDatas.first?.writeQueueNums == 3) }
        broker.stop()
        for port in ports { #expect(try route("TBW102", from: port) == nil) }
    }

    /// Asks until the registrar's 100 ms are over; every question waits for its answer, so this is no busy loop.
    private func waitForRoute(_ topic: String, from port: Int) throws -> TopicRouteData? {
        let deadline = SystemClock.now().advanced(byMilliseconds: 20_000)
        while SystemClock.now() < deadline {
            if let route = try route(topic, from: port) { return route }
        }
        return nil
    }

    @Test func `a name server that is down delays no other`() throws {
        let machines = Machines()
        let port = try machines.add()
        let gone = try ControlFreePort().port
        let broker = try Broker([gone, port])
        broker.registrar.start(waitMilliseconds: 20_000)
        #expect(try route("TBW102", from: port) != nil)
        #expect(!broker.registrar.isRegisteredEverywhere)
        broker.stop()
    }

    @Test func `who has waited for the registration finds the route of the topic just made`() throws {
        let machines = Machines()
        let ports = [try machines.add(), try machines.add()]
        let broker = try Broker(ports)
        broker.registrar.start(waitMilliseconds: 20_000)
        for name in ["one", "two", "three", "four"] {
            try broker.topics.put(TopicConfig(topicName: name, readQueueNums: 1, writeQueueNums: 1))
            #expect(broker.waitUntilRegistered())
            for port in ports { #expect(try route(name, from: port) != nil, "\(name)") }
        }
        broker.stop()
        #expect(broker.waitUntilRegistered(), "nobody waits for a registrar that has stopped")
    }

    @Test func `nobody waits for a name server that is down`() throws {
        let machines = Machines()
        let port = try machines.add()
        let broker = try Broker([try ControlFreePort().port, port])
        broker.registrar.start(waitMilliseconds: 20_000)
        try broker.topics.put(TopicConfig(topicName: "fresh", readQueueNums: 1, writeQueueNums: 1))
        #expect(broker.waitUntilRegistered())
        #expect(try route("fresh", from: port) != nil)
        broker.stop()
    }

    @Test func `brokerPermission bounds what name servers are told`() throws {
        let machines = Machines()
        let port = try machines.add()
        let broker = try Broker([port], ["brokerPermission": "4"])
        broker.registrar.start(waitMilliseconds: 20_000)
        #expect(try route("BenchmarkTest", from: port)?.queueDatas.first?.perm == .read)
        broker.stop()
    }

    @Test(arguments: Golden.versions)
    func `registrations have Java's fields and checksum`(version: String) throws {
        let identity = try ControlMachines.config().current.identity
        for exchange in try Golden.registrations(version: version) {
            let (name, java) = (exchange.name, exchange.request)
            #expect(java["bodyCrc32"] == String(NameServerRegistrar.checksum(java.body)), "\(name)")
            let ours = NameServerRegistrar.request(identity, body: java.body, isCompressed: false)
            let missing = Set(java.fields.map(\.name)).subtracting(ours.fields.map(\.name))
            #expect(missing.isEmpty, "\(name)")
        }
    }
}

/// A port on which nobody listens: bound once and let go.
struct ControlFreePort {
    let port: Int

    init() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound else { throw TestFailure("no free port: \(errno)") }
        port = Int(UInt16(bigEndian: address.sin_port))
    }
}
