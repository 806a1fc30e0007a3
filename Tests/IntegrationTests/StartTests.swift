import Foundation
import Glibc
import MQTestKit
import Testing

/// Goal: a server that cannot start says why in one plain sentence and exits with 1; what it accepts with a warning it
/// says too. Method: the real executables.
@Suite(.whereBuilt, .timeLimit(.minutes(2))) struct StartTests {
    private let folder: TemporaryFolder
    private let port: Int

    init() throws {
        folder = try TemporaryFolder("apus-start")
        port = try Machine.freePort()
    }

    /// Runs a server on a configuration until it ends.
    private func run(_ product: String, _ configuration: String, _ more: [String] = []) async throws -> Command {
        let file = folder.url.appending(path: "server.conf")
        try configuration.write(to: file, atomically: true, encoding: .utf8)
        return try await Command.run(
            Machine.executable(product), ["-c", file.path] + more, environment: Server.environment(in: folder.url),
            in: folder.url)
    }

    private func broker(_ lines: String...) async throws -> Command {
        let usual = ["listenPort=\(port)", "brokerIP1=127.0.0.1", "storePathRootDir=\(folder.path)/store"]
        return try await run("mqbroker", (usual + ["mappedFileSizeCommitLog=1048576"] + lines).joined(separator: "\n"))
    }

    /// One sentence of `program`, with all of `parts`.
    private func expect(
        _ result: Command, says parts: String..., program: String = "mqbroker",
        at location: SourceLocation = #_sourceLocation
    ) {
        #expect(result.status == 1, "\(result)", sourceLocation: location)
        #expect(result.errorLines.count == 1, "\(result.errors)", sourceLocation: location)
        #expect(result.errors.hasPrefix("\(program): "), sourceLocation: location)
        for part in parts {
            #expect(result.errors.contains(part), "\(result.errors) says \(part)", sourceLocation: location)
        }
    }

    /// Another process's listener, in this process.
    private func occupy(_ port: Int) throws -> FileHandle {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard bound == 0, listen(listener, 1) == 0 else { throw TestFailure("cannot listen on \(port)") }
        return FileHandle(fileDescriptor: listener, closeOnDealloc: true)
    }

    @Test(arguments: [0, -2]) func `a broker's port in use is named`(distance: Int) async throws {
        let listener = try occupy(port + distance)
        expect(try await broker(), says: "port \(port + distance)", "in use")
        try listener.close()
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/store/abort"), "it ended cleanly")
    }

    @Test func `a name server's port in use is named`() async throws {
        let listener = try occupy(port)
        expect(
            try await run("mqnamesrv", "listenPort=\(port)"), says: "port \(port)", "in use", program: "mqnamesrv")
        try listener.close()
    }

    @Test func `a store folder that cannot be written is named`() async throws {
        // Also for root, whom permissions do not stop: a file stands where a folder must.
        try "".write(toFile: folder.path + "/store", atomically: true, encoding: .utf8)
        expect(try await broker(), says: "cannot open the store", folder.path + "/store", "Not a directory")
    }

    @Test(.enabled(if: getuid() != 0, "root may write anywhere"))
    func `a store folder without permission is named`() async throws {
        let store = folder.path + "/store"
        try FileManager.default.createDirectory(atPath: store, withIntermediateDirectories: true)
        chmod(store, 0o555)
        defer { chmod(store, 0o755) }
        expect(try await broker(), says: "cannot open the store", store, "Permission denied")
    }

    @Test func `a store that another broker has is left alone`() async throws {
        let first = try Server.broker(nameServers: [], in: folder.url)
        try await first.start()
        expect(try await broker(), says: "MQ already started", "\(folder.path)/store/lock")
        #expect(first.isRunning)
        try await first.stop()
    }

    @Test(
        arguments: [
            ("mqbroker", "flushDiskType=SOMETIMES", "server.conf:1: flushDiskType=SOMETIMES"),
            ("mqbroker", "brokerName=a\nlistenPort=-1", "server.conf:2: listenPort=-1"),
            ("mqbroker", "mappedFileSizeCommitLog=many", "server.conf:1: mappedFileSizeCommitLog=many"),
            ("mqnamesrv", "listenPort=99999", "server.conf:1: listenPort=99999"),
        ])
    func `a bad value is named with file, line and what is allowed`(
        product: String, text: String, place: String
    ) async throws {
        expect(try await run(product, text), says: place, "is not allowed: it must be", program: product)
    }

    @Test(arguments: ["mqbroker", "mqnamesrv"]) func `a configuration file that is not there is named`(
        product: String
    ) async throws {
        let result = try await Command.run(
            Machine.executable(product), ["-c", "/nowhere/at.conf"], environment: Server.environment(in: folder.url),
            in: folder.url)
        expect(result, says: "/nowhere/at.conf", "no file", program: product)
    }

    @Test func `keys that are unknown or not served yet are warnings`() async throws {
        let settings = ["flushDiskTyp": "SYNC_FLUSH", "transientStorePoolEnable": "true"]
        let server = try Server.broker(nameServers: [], settings: settings, in: folder.url)
        try await server.start()
        for sentence in [
            "unknown key flushDiskTyp is ignored, did you mean flushDiskType?",
            "transientStorePoolEnable=true has no effect: this key is not supported yet",
        ] {
            #expect(server.printed.contains(sentence))
            let log = try String(contentsOfFile: folder.path + "/logs/broker.log", encoding: .utf8)
            #expect(log.contains(sentence))
        }
        try await server.stop()
    }

    @Test(arguments: ["mqbroker", "mqnamesrv"]) func `-p prints every key as a configuration file, -m fewer`(
        product: String
    ) async throws {
        func lines(_ option: String) async throws -> [Substring] {
            let result = try await run(product, "listenPort=\(port)", [option])
            #expect(result.status == 0 && result.errors.isEmpty)
            let lines = result.output.split(separator: "\n").filter { !$0.hasPrefix("load config properties file OK") }
            #expect(lines.allSatisfy { $0.contains("=") })
            return lines
        }
        let all = try await lines("-p")
        #expect(all.contains("listenPort=\(port)"))
        #expect(Set(try await lines("-m")).isStrictSubset(of: all))
        if product == "mqbroker" { #expect(all.count > 300) }
    }
}

extension Trait where Self == ConditionTrait {
    /// Only where the executables were built with the tests.
    static var whereBuilt: Self {
        .enabled("needs the built executables") {
            Machine.has("mqnamesrv", "mqbroker", "mqadmin", "mqexample", "apus")
        }
    }
}
