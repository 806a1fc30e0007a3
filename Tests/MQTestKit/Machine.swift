public import Foundation
import Glibc
import Synchronization

/// What this machine has for tests with real processes.
public enum Machine {
    /// The folder of the running test executable: the package's executables are built into the same one.
    public static let buildFolder: URL = {
        let path =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        return URL(filePath: path).deletingLastPathComponent()
    }()

    /// The checkout.
    public static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// An executable of the package.
    public static func executable(_ product: String) -> URL { buildFolder.appending(path: product) }

    /// Whether all of these executables are built.
    public static func has(_ products: String...) -> Bool {
        products.allSatisfy { FileManager.default.isExecutableFile(atPath: executable($0).path) }
    }

    /// Whether test folders stay for a look (`MQ_KEEP`).
    public static var keepsFolders: Bool { ProcessInfo.processInfo.environment["MQ_KEEP"] != nil }

    private static let given = Mutex<Set<Int>>([])

    /// A port P with P-2, P and P+1 free, what a broker listens on, below the range of outgoing connections. No two
    /// callers of this process get ports that near to each other.
    public static func freePort() throws -> Int {
        for _ in 0..<1000 {
            let port = Int.random(in: 12_000..<32_000)
            let near = (port - 2)...(port + 1)
            guard [port - 2, port, port + 1].allSatisfy(isFree) else { continue }
            let isNew = given.withLock { given in
                guard given.isDisjoint(with: near) else { return false }
                given.formUnion(near)
                return true
            }
            if isNew { return port }
        }
        throw TestFailure("no free port found")
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
public struct TestFailure: Error, CustomStringConvertible {
    public let description: String

    /// A failure that says so.
    public init(_ description: String) { self.description = description }
}

/// Returns when `condition` holds; throws what it waited for when it does not hold in time. Real processes are
/// looked at every 10 ms: there is no clock to move by hand here.
public func eventually(
    _ what: @autoclosure () -> String, within limit: Duration = .seconds(60), _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw TestFailure("not within \(limit): \(what())") }
        try await Task.sleep(for: .milliseconds(10))
    }
}

/// As the other one, for tests that block their thread: `condition` comes true within `seconds`.
public func eventuallyNow(_ what: String, within seconds: Double = 10, _ condition: () throws -> Bool) throws {
    let deadline = Date().addingTimeInterval(seconds)
    while try !condition() {
        guard Date() < deadline else { throw TestFailure("not within \(seconds) s: \(what)") }
        usleep(10_000)
    }
}
