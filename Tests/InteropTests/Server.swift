import Foundation
import Testing

/// One server process, started from the build folder; its output goes to a file beside its configuration.
final class Server {
    let product: String
    let folder: URL
    private let arguments: [String]
    private let environment: [String: String]
    private var process = Process()

    /// - Parameter name: of its configuration and output files in `folder`.
    init(_ product: String, name: String, configuration: [String: String], arguments: [String] = [], in folder: URL)
        throws
    {
        self.product = product
        self.folder = folder
        let file = folder.appending(path: "\(name).conf")
        let text = configuration.map { "\($0)=\($1)\n" }.sorted().joined()
        try text.write(to: file, atomically: true, encoding: .utf8)
        self.arguments = ["-c", file.path] + arguments
        environment = ProcessInfo.processInfo.environment.merging([
            "HOME": folder.path, "ROCKETMQ_HOME": folder.path,
            "ROCKETMQ_LOG_DIR": folder.appending(path: "logs").path,
        ]) { $1 }
        output = folder.appending(path: "\(name).out")
        _ = FileManager.default.createFile(atPath: output.path, contents: nil)
    }

    private let output: URL

    /// Starts it and returns when it has printed its boot line.
    func start() async throws {
        process = Process()
        process.executableURL = Machine.executable(product)
        process.arguments = arguments
        process.environment = environment
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
                    throw InteropFailure(what: "\(product) ended with status \(process.terminationStatus)")
                }
                return printed.contains("boot success")
            }
        } catch {
            throw InteropFailure(what: "\(error)\n\(logs)")
        }
    }

    /// Everything it printed since its last start.
    var printed: String { (try? String(contentsOf: output, encoding: .utf8)) ?? "" }

    /// The ends of its output and log files, for a failure.
    var logs: String {
        let logFolder = folder.appending(path: "logs")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: logFolder.path)) ?? []
        let files = [output] + names.sorted().map { logFolder.appending(path: $0) }
        return files.map { file in
            let lines = ((try? String(contentsOf: file, encoding: .utf8)) ?? "").split(separator: "\n").suffix(30)
            return "--- \(file.path)\n" + lines.joined(separator: "\n")
        }.joined(separator: "\n")
    }

    /// SIGTERM, and it must end by itself with status 0.
    func stop() async throws {
        guard process.isRunning else { throw InteropFailure(what: "\(product) ended by itself\n\(logs)") }
        process.terminate()
        try await eventually("\(product) stops after SIGTERM", within: .seconds(20)) { !process.isRunning }
        #expect(
            process.terminationReason == .exit && process.terminationStatus == 0, "\(product) after SIGTERM\n\(logs)")
    }

    /// SIGKILL: nothing is flushed, closed or said goodbye to. Also what tidies up after a failure.
    func kill() async throws {
        guard process.isRunning else { return }
        Foundation.kill(process.processIdentifier, SIGKILL)
        try await eventually("\(product) is gone after SIGKILL") { !process.isRunning }
    }
}
