public import Foundation

/// One server process, started from the build folder; its configuration, output and logs are in one folder.
public final class Server {
    /// The executable: `mqnamesrv` or `mqbroker`.
    public let product: String
    /// Where it listens: 127.0.0.1 and this port.
    public let port: Int
    /// Its configuration file.
    public let configuration: URL

    private let folder: URL
    private let output: URL
    private let arguments: [String]
    private var process = Process()

    /// `host:port`.
    public var address: String { "127.0.0.1:\(port)" }

    /// A server that does not run yet.
    /// - Parameter name: of its configuration and output files in `folder`.
    public init(
        _ product: String, name: String, port: Int, settings: [String: String], arguments: [String] = [],
        in folder: URL
    ) throws {
        self.product = product
        self.port = port
        self.folder = folder
        configuration = folder.appending(path: "\(name).conf")
        output = folder.appending(path: "\(name).out")
        self.arguments = ["-c", configuration.path] + arguments
        let text = settings.map { "\($0)=\($1)\n" }.sorted().joined()
        try text.write(to: configuration, atomically: true, encoding: .utf8)
        _ = FileManager.default.createFile(atPath: output.path, contents: nil)
    }

    /// A name server on a free port.
    /// - Parameter settings: on top of its port.
    public static func nameServer(
        _ name: String = "namesrv", settings: [String: String] = [:], in folder: URL
    ) throws -> Server {
        let port = try Machine.freePort()
        let all = ["listenPort": "\(port)"].merging(settings) { $1 }
        return try Server("mqnamesrv", name: name, port: port, settings: all, in: folder)
    }

    /// A broker on free ports, with small files in `folder`.
    /// - Parameter settings: win over the usual ones.
    public static func broker(
        _ name: String = "broker", nameServers: [Server], settings: [String: String] = [:], in folder: URL
    ) throws -> Server {
        let port = try Machine.freePort()
        let store = folder.appending(path: name == "broker" ? "store" : "store-\(name)").path
        let usual = [
            "brokerClusterName": "DefaultCluster", "brokerName": "broker-a", "brokerId": "0", "brokerIP1": "127.0.0.1",
            "listenPort": "\(port)", "storePathRootDir": store, "storePathCommitLog": store + "/commitlog",
            "mappedFileSizeCommitLog": "16777216", "mappedFileSizeConsumeQueue": "200000",
            "autoCreateTopicEnable": "true",
            // A disk that is nearly full, or the hour for it, must not delete a test's messages.
            "cleanResourceInterval": "3600000",
        ]
        let addresses = nameServers.map(\.address).joined(separator: ";")
        return try Server(
            "mqbroker", name: name, port: port, settings: usual.merging(settings) { $1 },
            arguments: addresses.isEmpty ? [] : ["-n", addresses], in: folder)
    }

    /// The environment of a process whose files belong into `folder`.
    public static func environment(in folder: URL, _ more: [String: String] = [:]) -> [String: String] {
        var environment = ProcessInfo.processInfo.environment
        environment["NAMESRV_ADDR"] = nil
        environment["HOME"] = folder.path
        environment["ROCKETMQ_HOME"] = folder.path
        environment["ROCKETMQ_LOG_DIR"] = folder.appending(path: "logs").path
        return environment.merging(more) { $1 }
    }

    /// Starts it and returns when it has printed its boot line.
    /// - Parameter tracer: a program and its options that starts the server and then stands beside it.
    public func start(under tracer: [String] = []) async throws {
        let command = tracer + [Machine.executable(product).path] + arguments
        process = Process()
        process.executableURL = URL(filePath: command[0])
        process.arguments = Array(command.dropFirst())
        process.environment = Self.environment(in: folder)
        process.currentDirectoryURL = folder
        let file = try FileHandle(forWritingTo: output)
        try file.truncate(atOffset: 0)
        process.standardOutput = file
        process.standardError = file
        process.standardInput = FileHandle.nullDevice
        try process.run()
        do {
            try await eventually("\(product) prints its boot line", within: .seconds(20)) {
                if !process.isRunning {
                    throw TestFailure("\(product) ended with status \(process.terminationStatus)")
                }
                return printed.contains("boot success")
            }
        } catch {
            throw TestFailure("\(error)\n\(logs)")
        }
    }

    /// Whether the process lives.
    public var isRunning: Bool { process.isRunning }

    /// How it ended; 0 while it runs.
    public var exitStatus: Int32 { process.isRunning ? 0 : process.terminationStatus }

    /// Everything it printed since its last start.
    public var printed: String { (try? String(contentsOf: output, encoding: .utf8)) ?? "" }

    /// The ends of its output and log files, for a failure.
    public var logs: String {
        let logFolder = folder.appending(path: "logs")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: logFolder.path)) ?? []
        let files = [output] + names.sorted().map { logFolder.appending(path: $0) }
        return files.map { file in
            let lines = ((try? String(contentsOf: file, encoding: .utf8)) ?? "").split(separator: "\n").suffix(30)
            return "--- \(file.path)\n" + lines.joined(separator: "\n")
        }.joined(separator: "\n")
    }

    /// SIGTERM, and it must end by itself with status 0.
    public func stop() async throws {
        guard process.isRunning else { throw TestFailure("\(product) ended by itself\n\(logs)") }
        process.terminate()
        try await eventually("\(product) stops after SIGTERM", within: .seconds(20)) { !process.isRunning }
        guard process.terminationReason == .exit, process.terminationStatus == 0 else {
            throw TestFailure("\(product) ended with status \(process.terminationStatus) after SIGTERM\n\(logs)")
        }
    }

    /// SIGSTOP: it stands still with its connections open, as a machine that is gone; SIGCONT with `false`.
    public func freeze(_ isFrozen: Bool = true) {
        Foundation.kill(process.processIdentifier, isFrozen ? SIGSTOP : SIGCONT)
    }

    /// Its number for the system; while it runs.
    public var processID: Int32 { process.processIdentifier }

    /// SIGKILL: nothing is flushed, closed or said goodbye to. Also what tidies up after a failure.
    public func kill() async throws {
        guard process.isRunning else { return }
        Foundation.kill(process.processIdentifier, SIGKILL)
        try await eventually("\(product) is gone after SIGKILL") { !process.isRunning }
    }
}
