import Foundation
import MQTestKit
import Testing

@testable import MQAdmin
@testable import RocketMQClient

/// A name server and a broker, the real executables, on free ports and in a folder of their own.
final class RunningCluster {
    let folder: URL
    private let holder: TemporaryFolder
    private let nameServer: Server
    private let broker: Server
    private var second: Server?

    var nameServers: String { nameServer.address }
    var nameServerPort: Int { nameServer.port }
    var brokerAddress: String { broker.address }
    /// The last lines of the broker's logs.
    var brokerLogs: String { broker.logs }
    var client: ClientOptions { ClientOptions(nameServers: nameServers) }

    static var isBuilt: Bool { Machine.has("mqnamesrv", "mqbroker", "mqexample", "mqadmin") }

    private init(_ settings: [String: String]) throws {
        holder = try TemporaryFolder("apus-cluster")
        folder = holder.url
        nameServer = try .nameServer(in: folder)
        // RocketMQ's third level, which a first retry uses, is 10 s: too long for a test.
        let delays = ["messageDelayLevel": Array(repeating: "1s", count: 18).joined(separator: " ")]
        broker = try .broker(nameServers: [nameServer], settings: delays.merging(settings) { $1 }, in: folder)
    }

    /// Runs `body` with a fresh cluster and takes it down afterwards, whatever happens.
    static func run(_ settings: [String: String] = [:], _ body: (RunningCluster) async throws -> Void) async throws {
        let cluster = try RunningCluster(settings)
        do {
            try await cluster.nameServer.start()
            try await cluster.startBroker()
            try await body(cluster)
            for broker in [cluster.broker, cluster.second].compactMap(\.self) where broker.isRunning {
                try await broker.stop()
            }
            try await cluster.nameServer.stop()
        } catch {
            try? await cluster.broker.kill()
            try? await cluster.second?.kill()
            try? await cluster.nameServer.kill()
            throw TestFailure("\(error)\n\(cluster.broker.logs)")
        }
    }

    func startBroker() async throws {
        try await broker.start()
        try await eventually("the broker is registered") {
            (try? await self.admin("clusterList").output.contains("broker-a")) ?? false
        }
    }

    /// Another master of the cluster, `broker-b`; it goes down with the rest.
    func startSecondBroker() async throws -> Server {
        let server = try Server.broker(
            "second", nameServers: [nameServer], settings: ["brokerName": "broker-b"], in: folder)
        second = server
        try await server.start()
        try await eventually("the second broker is registered") {
            try await self.admin("clusterList").output.contains("broker-b")
        }
        return server
    }

    /// SIGKILL: nothing is flushed, closed or said goodbye to.
    func killBroker() async throws { try await broker.kill() }

    /// The broker stands still with its connections open, so that the name server still has its routes.
    func freezeBroker(_ isFrozen: Bool = true) { broker.freeze(isFrozen) }

    /// Starts an executable with its output in a file.
    func launch(_ product: String, _ arguments: [String], output: URL) throws -> Process {
        _ = FileManager.default.createFile(atPath: output.path, contents: nil)
        let file = try FileHandle(forWritingTo: output)
        let process = Process()
        process.executableURL = Machine.executable(product)
        process.arguments = arguments
        process.environment = Server.environment(in: folder, ["NAMESRV_ADDR": nameServers])
        process.currentDirectoryURL = folder
        process.standardOutput = file
        process.standardError = file
        process.standardInput = FileHandle.nullDevice
        try process.run()
        return process
    }

    /// Runs an mqadmin command in this process.
    @discardableResult
    func admin(_ words: String...) async throws -> (code: Int32, output: String, errors: String) {
        try await admin(words)
    }

    /// The same, with the words as a list.
    func admin(_ words: [String]) async throws -> (code: Int32, output: String, errors: String) {
        try await run(words + ["-n", nameServers])
    }

    /// The same without a name server.
    func plain(_ words: String...) async throws -> (code: Int32, output: String, errors: String) {
        try await run(words)
    }

    /// The same, with the words as a list.
    func plain(_ words: [String]) async throws -> (code: Int32, output: String, errors: String) {
        try await run(words)
    }

    private func run(_ words: [String]) async throws -> (code: Int32, output: String, errors: String) {
        let output = Lines()
        let errors = Lines()
        let code = await CommandTable.standard.run(
            words, output: Output { output.add($0) }, complain: { errors.add($0) })
        return (code, output.text, errors.text)
    }
}

/// Text that several threads add to.
final class Lines: @unchecked Sendable {
    // @unchecked: `pieces` is reached under the lock only.
    private let lock = NSLock()
    private var pieces: [String] = []

    func add(_ piece: String) { lock.withLock { pieces.append(piece) } }
    var all: [String] { lock.withLock { pieces } }
    var text: String { all.joined() }
}
