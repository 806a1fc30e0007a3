import Foundation
import MQConfig
import MQJSON
import MQProtocol
import MQTestKit
import MQTransport
import Testing

@testable import MQNameServer

/// A name server on a free port of loopback with its files in a folder that is removed.
final class RunningNameServer {
    let folder: URL
    private(set) var server: NameServer?
    private let keys: [String: String]

    init(_ keys: [String: String] = [:]) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID().uuidString)")
        self.keys = keys
        try start()
    }

    func start() throws {
        var config = ConfigValues(.nameServer, on: ConfigMachine(home: folder.path))
        try config.set("listenPort", to: "0")
        try config.set("bindAddress", to: "127.0.0.1")
        for (key, value) in keys { try config.set(key, to: value) }
        let server = try NameServer(config: config)
        server.start()
        self.server = server
    }

    func stop() {
        server?.stop()
        server = nil
    }

    deinit {
        stop()
        try? FileManager.default.removeItem(at: folder)
    }

    func connect() throws -> RemotingPeer { try RemotingPeer(port: try #require(server).address.port) }

    func text(_ file: String) throws -> String {
        try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
    }
}

extension RemotingCommand {
    /// A registration of a broker with `topics`.
    static func registration(
        of topics: [String], broker: String = "broker-a", address: String = "127.0.0.2:1", id: Int64 = 0,
        version: Int64 = 1,
        bodyForm: (RegisterBrokerBody) throws -> (bytes: [UInt8], isCompressed: Bool) = { ($0.encoded(), false) }
    ) throws -> RemotingCommand {
        let wrapper = Machines.topics(topics, version: DataVersion(counter: version))
        let (body, isCompressed) = try bodyForm(RegisterBrokerBody(wrapper))
        return RemotingCommand(
            .registerBroker,
            [
                "brokerName": broker, "brokerAddr": address, "clusterName": "DefaultCluster",
                "haServerAddr": "127.0.0.2:2", "brokerId": String(id), "compressed": String(isCompressed),
            ], body: body)
    }

    static func route(_ topic: String) -> RemotingCommand { RemotingCommand(.getRouteInfoByTopic, ["topic": topic]) }

    var json: JSON { (try? JSON(parsing: body)) ?? .null }
}
