import Foundation
import Testing

@testable import MQAdmin
@testable import RocketMQClient

/// A name server and a broker, the real executables, on free ports and in a folder of their own.
final class RunningCluster {
    let folder: URL
    let nameServerPort: Int
    let brokerPort: Int
    private var nameServer: Process?
    private var broker: Process?

    var nameServers: String { "127.0.0.1:\(nameServerPort)" }
    var brokerAddress: String { "127.0.0.1:\(brokerPort)" }
    var client: ClientOptions { ClientOptions(nameServers: nameServers) }

    /// The folder of the running test executable, where the executables are built too.
    static let products: URL = {
        let path = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(filePath: path).deletingLastPathComponent()
    }()

    static var isBuilt: Bool {
        ["mqnamesrv", "mqbroker", "mqexample", "mqadmin"].allSatisfy {
            FileManager.default.isExecutableFile(atPath: products.appending(path: $0).path)
        }
    }

    private init(_ settings: [String: String]) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        nameServerPort = try Self.freePort(other: 0)
        brokerPort = try Self.freePort(other: nameServerPort)
        let store = folder.appending(path: "store").path
        try write("namesrv.conf", ["listenPort": "\(nameServerPort)"])
        try write(
            "broker.conf",
            [
                "brokerClusterName": "DefaultCluster", "brokerName": "broker-a", "brokerId": "0",
                "brokerIP1": "127.0.0.1", "listenPort": "\(brokerPort)", "storePathRootDir": store,
                "storePathCommitLog": store + "/commitlog", "mappedFileSizeCommitLog": "16777216",
                "autoCreateTopicEnable": "true", "namesrvAddr": nameServers,
                // RocketMQ's third level, which a first retry uses, is 10 s: too long for a test.
                "messageDelayLevel": Array(repeating: "1s", count: 18).joined(separator: " "),
            ].merging(settings) { $1 })
    }

    private func write(_ name: String, _ settings: [String: String]) throws {
        let text = settings.map { "\($0)=\($1)\n" }.sorted().joined()
        try text.write(to: folder.appending(path: name), atomically: true, encoding: .utf8)
    }

    /// Runs `body` with a fresh cluster and takes it down afterwards, whatever happens.
    static func run(_ settings: [String: String] = [:], _ body: (RunningCluster) async throws -> Void) async throws {
        let cluster = try RunningCluster(settings)
        do {
            cluster.nameServer = try await cluster.start("mqnamesrv", ["-c", "namesrv.conf"])
            try await cluster.startBroker()
            try await body(cluster)
        } catch {
            await cluster.takeDown()
            throw error
        }
        await cluster.takeDown()
    }

    func startBroker() async throws {
        broker = try await start("mqbroker", ["-c", "broker.conf"])
        try await eventually("the broker is registered") {
            (try? await self.admin("clusterList").output.contains("broker-a")) ?? false
        }
    }

    /// SIGKILL: nothing is flushed, closed or said goodbye to.
    func killBroker() async throws {
        guard let broker else { return }
        kill(broker.processIdentifier, SIGKILL)
        try await eventually("the broker is gone") { !broker.isRunning }
    }

    private func takeDown() async {
        for process in [broker, nameServer].compactMap({ $0 }) where process.isRunning {
            process.terminate()
            do {
                try await eventually("a server ends") { !process.isRunning }
            } catch {
                kill(process.processIdentifier, SIGKILL)
            }
        }
        try? FileManager.default.removeItem(at: folder)
    }

    /// Starts an executable and waits for its boot line.
    private func start(_ product: String, _ arguments: [String]) async throws -> Process {
        let output = folder.appending(path: "\(product).out")
        let process = try launch(product, arguments, output: output)
        try await eventually("\(product) prints its boot line") {
            let printed = (try? String(contentsOf: output, encoding: .utf8)) ?? ""
            guard process.isRunning else { throw Trouble(what: "\(product) ended: \(printed)") }
            return printed.contains("boot success")
        }
        return process
    }

    /// Starts an executable with its output in a file.
    func launch(_ product: String, _ arguments: [String], output: URL) throws -> Process {
        _ = FileManager.default.createFile(atPath: output.path, contents: nil)
        let file = try FileHandle(forWritingTo: output)
        let process = Process()
        process.executableURL = Self.products.appending(path: product)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging([
            "HOME": folder.path, "ROCKETMQ_HOME": folder.path, "NAMESRV_ADDR": nameServers,
        ]) { $1 }
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
        let output = Lines()
        let errors = Lines()
        let code = await CommandTable.standard.run(
            words + ["-n", nameServers], output: Output { output.add($0) }, complain: { errors.add($0) })
        return (code, output.text, errors.text)
    }

    private static func freePort(other: Int) throws -> Int {
        for _ in 0..<1000 {
            let port = Int.random(in: 12_000..<32_000)
            if abs(port - other) > 3, [port - 2, port, port + 1].allSatisfy(isFree) { return port }
        }
        throw Trouble(what: "no free port")
    }

    private static func isFree(_ port: Int) -> Bool {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard socket >= 0 else { return false }
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}

struct Trouble: Error, CustomStringConvertible {
    let what: String
    var description: String { what }
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

/// Returns when `condition` holds. Real processes are looked at every 10 ms: there is no clock to move by hand here.
func eventually(
    _ what: String, within limit: Duration = .seconds(40), _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw Trouble(what: "not within \(limit): \(what)") }
        try await Task.sleep(for: .milliseconds(10))
    }
}
