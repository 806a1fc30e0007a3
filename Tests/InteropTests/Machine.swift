import Foundation
import Testing

/// Where this machine keeps what the interop tests run: the executables that were built with these tests, and the
/// Python environment that scripts/setup made.
enum Machine {
    /// The folder of the running test executable: `mqnamesrv` and `mqbroker` are built into the same one.
    static let buildFolder: URL = {
        let path =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        return URL(filePath: path).deletingLastPathComponent()
    }()

    static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    static let python = repository.appending(path: ".build/venv-remoting/bin/python")
    static let clientScript = repository.appending(path: "Tests/InteropTests/python/client.py")

    static func executable(_ product: String) -> URL { buildFolder.appending(path: product) }

    /// Whether everything is there. In continuous integration on x86_64 it has to be: there the tests run and fail
    /// instead of being skipped.
    static var isReady: Bool {
        let isRequired = ProcessInfo.processInfo.environment["CI"] != nil && isSupported
        let needed = [python, executable("mqnamesrv"), executable("mqbroker")]
        return isRequired || needed.allSatisfy { FileManager.default.isExecutableFile(atPath: $0.path) }
    }

    /// Apache publishes the C++ client for x86_64 only.
    private static var isSupported: Bool {
        #if arch(x86_64)
            true
        #else
            false
        #endif
    }

    /// Whether test folders stay for a look.
    static var keepsFolders: Bool { ProcessInfo.processInfo.environment["MQ_KEEP"] != nil }

    /// A port P with P-2, P and P+1 free, what a broker listens on, below the range of outgoing connections.
    static func freePort() throws -> Int {
        for _ in 0..<1000 {
            let port = Int.random(in: 12_000..<32_000)
            if [port - 2, port, port + 1].allSatisfy(isFree) { return port }
        }
        throw InteropFailure(what: "no free port found")
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

/// What went wrong outside of an expectation, with the logs that explain it.
struct InteropFailure: Error, CustomStringConvertible {
    let what: String
    var description: String { what }
}

/// Returns when `condition` holds; throws what it waited for when it does not hold in time. Real processes are
/// looked at every 10 ms: there is no clock to move by hand here.
func eventually(
    _ what: @autoclosure () -> String, within limit: Duration = .seconds(60), _ condition: () throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try !condition() {
        guard ContinuousClock.now < deadline else { throw InteropFailure(what: "not within \(limit): \(what())") }
        try await Task.sleep(for: .milliseconds(10))
    }
}

extension Trait where Self == ConditionTrait {
    /// Only where the executables and the C++ client are there.
    static var whereReady: Self {
        .enabled("needs the built executables and scripts/setup's Python environment") { Machine.isReady }
    }
}
