import Foundation
import MQAdmin
import MQProtocol
import MQTestKit
import RocketMQClient
import Testing

/// Servers of one test, in one temporary folder.
final class Running {
    let folder: TemporaryFolder
    private(set) var servers: [Server] = []

    init() throws { folder = try TemporaryFolder("apus-integration") }

    /// A name server, started.
    func nameServer(_ name: String = "namesrv", _ settings: [String: String] = [:]) async throws -> Server {
        let server = try Server.nameServer(name, settings: settings, in: folder.url)
        servers.append(server)
        try await server.start()
        return server
    }

    /// A broker, started.
    func broker(_ nameServers: [Server], _ settings: [String: String] = [:]) async throws -> Server {
        let server = try Server.broker(nameServers: nameServers, settings: settings, in: folder.url)
        servers.append(server)
        try await server.start()
        return server
    }

    /// Runs `body`; afterwards every server that still runs must stop cleanly. A failure shows their logs.
    static func run(_ body: (Running) async throws -> Void) async throws {
        let running = try Running()
        do {
            try await body(running)
            for server in running.servers.reversed() where server.isRunning { try await server.stop() }
        } catch {
            for server in running.servers { try? await server.kill() }
            throw TestFailure("\(error)\n\(running.servers.map(\.logs).joined(separator: "\n"))")
        }
    }
}

/// A connection of ours to the cluster that `nameServers` know, for the time of `body`.
func withAdmin<R>(_ nameServers: [Server], _ body: (Admin) async throws -> R) async throws -> R {
    let link = try ClusterLink(ClientOptions(nameServers: nameServers.map(\.address).joined(separator: ";")))
    link.start()
    do {
        let result = try await body(Admin(link: link))
        await link.shutdown()
        return result
    } catch {
        await link.shutdown()
        throw error
    }
}

extension Admin {
    /// Sends each body and expects SEND_OK.
    func sendOK(_ bodies: [String], to topic: String) async throws -> [SendResult] {
        let producer = try Producer(group: "integration-producers", link: link)
        try await producer.start()
        var results: [SendResult] = []
        for body in bodies {
            let result = try await producer.send(Message(topic: topic, body: Array(body.utf8)))
            #expect(result.status == .sendOK)
            results.append(result)
        }
        await producer.shutdown()
        return results
    }

    /// The body at each place that a send was given. Queues are a moment behind the answers.
    func bodies(at results: [SendResult]) async throws -> [String] {
        var bodies: [String] = []
        for result in results {
            try await eventually("a message at \(result.queueOffset) of \(result.queue)", within: .seconds(10)) {
                guard let message = try await message(in: result.queue, at: result.queueOffset) else { return false }
                bodies.append(String(decoding: message.body, as: UTF8.self))
                return true
            }
        }
        return bodies
    }

    /// Messages in all queues of a topic.
    func messageCount(of topic: String) async throws -> Int64 {
        try await stats(ofTopic: topic).offsetTable.values.reduce(0) { $0 + $1.maxOffset - $1.minOffset }
    }

    /// Names of the brokers that the first name server knows.
    func brokerNames() async throws -> [String] { try await clusterInfo().brokerAddrTable.keys.sorted() }
}

extension Admin {
    /// Sends one message after the other until the broker is gone; what was acknowledged.
    func sendUntilRefused(to topic: String) async -> [SendResult] {
        var results: [SendResult] = []
        guard let producer = try? Producer(group: "dying-producers", options: .withoutRetries, link: link) else {
            return []
        }
        try? await producer.start()
        while let result = try? await producer.send(Message(topic: topic, body: Array("steady \(results.count)".utf8)))
        {
            results.append(result)
        }
        await producer.shutdown()
        return results
    }
}

extension Producer.Options {
    fileprivate static var withoutRetries: Self {
        var options = Self()
        options.retries = 0
        return options
    }
}
