import Foundation
import MQTestKit

/// A name server and a broker of their own on free ports, with everything they write in one temporary folder.
final class Cluster {
    let folder: URL
    private let holder: TemporaryFolder
    let broker: Server
    private let nameServer: Server

    private init(brokerSettings: [String: String]) throws {
        holder = try TemporaryFolder("apus-interop")
        folder = holder.url
        nameServer = try .nameServer(in: folder)
        // RocketMQ's first level is 1 s, the third, which a first retry uses, 10 s: too long for a test.
        let delays = ["messageDelayLevel": Array(repeating: "1s", count: 18).joined(separator: " ")]
        broker = try .broker(nameServers: [nameServer], settings: delays.merging(brokerSettings) { $1 }, in: folder)
    }

    /// Runs `body` against a fresh cluster; afterwards both servers must stop cleanly, and their folder goes away.
    /// A failure shows what the servers and clients logged.
    static func run(
        _ brokerSettings: [String: String] = [:], _ body: (Cluster) async throws -> Void
    ) async throws {
        let cluster = try Cluster(brokerSettings: brokerSettings)
        do {
            try await cluster.nameServer.start()
            try await cluster.broker.start()
            try await body(cluster)
            for client in cluster.clients { try await client.stop() }
            try await cluster.broker.stop()
            try await cluster.nameServer.stop()
        } catch {
            for client in cluster.clients { client.kill() }
            try? await cluster.broker.kill()
            try? await cluster.nameServer.kill()
            throw TestFailure("\(error)\n\(cluster.broker.logs)")
        }
    }

    private var clients: [CppClient] = []

    /// A producer of Apache's C++ client, started.
    func producer(group: String = "interop-producers", orderly: Bool = false) async throws -> CppClient {
        try await client(["producer", "--group", group] + (orderly ? ["--orderly"] : []))
    }

    /// A producer of transactions of Apache's C++ client, started.
    /// - Parameter check: what it answers when it is asked: `commit`, `rollback`, `unknown`.
    func transactionProducer(check: String, group: String = "interop-transactions") async throws -> CppClient {
        try await client(["transaction", "--group", group, "--check", check])
    }

    /// A push consumer of Apache's C++ client, started.
    /// - Parameter failures: how often it answers RECONSUME_LATER to each body first.
    func consumer(
        group: String, topic: String, expression: String = "*", model: String = "clustering", orderly: Bool = false,
        failures: Int = 0, properties: [String] = []
    ) async throws -> CppClient {
        try await client(
            ["consumer", "--group", group, "--topic", topic, "--expression", expression, "--model", model]
                + ["--fail", "\(failures)"] + properties.flatMap { ["--property", $0] } + (orderly ? ["--orderly"] : [])
        )
    }

    private func client(_ arguments: [String]) async throws -> CppClient {
        let client = try CppClient(arguments + ["--namesrv", nameServer.address], home: folder)
        clients.append(client)
        try await client.waitUntilStarted()
        return client
    }

    /// Stops a client before the end of the test; it commits its offsets first.
    func stop(_ client: CppClient) async throws {
        clients.removeAll { $0 === client }
        try await client.stop()
    }
}
