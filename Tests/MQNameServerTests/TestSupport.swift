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

    func connect() throws -> Peer { try Peer(port: try #require(server).address.port) }

    func text(_ file: String) throws -> String {
        try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
    }
}

struct PeerFailure: Error, CustomStringConvertible {
    let description: String
}

/// A client that sends bytes as they are and waits for answers.
final class Peer {
    private let descriptor: Int32
    private var buffer: [UInt8] = []

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw PeerFailure(description: "connect: \(errno)") }
    }

    deinit { Glibc.close(descriptor) }

    /// Ends the connection as a killed process would.
    func close() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    func send(_ frame: [UInt8]) {
        var done = 0
        while done < frame.count {
            let sent = frame[done...].withUnsafeBytes { bytes in
                Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            }
            if sent <= 0 { return }
            done += sent
        }
    }

    /// The next frame, decoded; the connection's end is an error.
    func receive() throws -> RemotingCommand {
        while true {
            let held = buffer
            if let frame = try RemotingFrame.decode(held.span, at: 0) {
                let bytes = Array(buffer[..<frame.byteCount])
                buffer.removeFirst(frame.byteCount)
                return try RemotingCommand(frame: bytes.span)
            }
            var chunk = [UInt8](repeating: 0, count: 64 << 10)
            let got = MQTestKit.receive(descriptor, into: &chunk)
            guard got > 0 else { throw PeerFailure(description: got == 0 ? "closed" : "no answer: \(errno)") }
            buffer.append(contentsOf: chunk[..<got])
        }
    }

    func ask(_ frame: [UInt8]) throws -> RemotingCommand {
        send(frame)
        return try receive()
    }

    func ask(_ request: RemotingCommand) throws -> RemotingCommand { try ask(request.frame()) }
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

/// Frames recorded between Java processes.
extension Golden {
    struct Pair {
        let name: String
        let request: [UInt8]
        /// `nil` for one-way requests.
        let response: RemotingCommand?
    }

    /// What name servers were asked, in order, and what Java's answered.
    static func nameServerPairs(version: String) throws -> [Pair] {
        let frames = try frames(version: version)
        var responses: [Int: RemotingCommand] = [:]
        for frame in frames where frame.from == "name server" {
            guard let pair = frame.pair else { continue }
            responses[pair] = try RemotingCommand(frame: frame.bytes.span)
        }
        return frames.filter { $0.to == "name server" }.map { frame in
            Pair(name: frame.name, request: frame.bytes, response: frame.pair.flatMap { responses[$0] })
        }
    }
}
