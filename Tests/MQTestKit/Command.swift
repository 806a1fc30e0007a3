public import Foundation

/// One run of a program to its end.
public struct Command: Sendable {
    /// Its exit code, or minus the signal that ended it.
    public let status: Int32
    public let output: String
    public let errors: String

    /// The lines of standard error.
    public var errorLines: [Substring] { errors.split(separator: "\n") }

    /// Runs a program and returns when it has ended; one that takes longer than `limit` is killed, which is a failure.
    public static func run(
        _ executable: URL, _ arguments: [String] = [], environment: [String: String], in folder: URL,
        within limit: Duration = .seconds(30)
    ) async throws -> Command {
        let process = Process()
        process.executableURL = executable
        process.arguments = arguments
        process.environment = environment
        process.currentDirectoryURL = folder
        process.standardInput = FileHandle.nullDevice
        // Files and not pipes: what the program starts may outlive it and hold a pipe open.
        let files = try ["out", "err"].map { end in
            let file = folder.appending(path: "command-\(UUID().uuidString.prefix(8)).\(end)")
            try Data().write(to: file)
            return file
        }
        defer { for file in files { try? FileManager.default.removeItem(at: file) } }
        process.standardOutput = try FileHandle(forWritingTo: files[0])
        process.standardError = try FileHandle(forWritingTo: files[1])
        try process.run()
        do {
            try await eventually("\(executable.lastPathComponent) \(arguments) ends", within: limit) {
                !process.isRunning
            }
        } catch {
            kill(process.processIdentifier, SIGKILL)
            throw error
        }
        let status = process.terminationStatus
        return Command(
            status: process.terminationReason == .exit ? status : -status,
            output: try String(contentsOf: files[0], encoding: .utf8),
            errors: try String(contentsOf: files[1], encoding: .utf8))
    }
}
