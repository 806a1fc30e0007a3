import Foundation
import MQTestKit
import Synchronization
import Testing

/// One producer or consumer of Apache's C++ client in a Python process (python/client.py says how it is talked to).
final class CppClient {
    /// One line it printed.
    struct Event: Decodable, Sendable {
        let event: String
        var body: String?
        var byteCount: Int?
        var status: String?
        var error: String?
        var msgId: String?
        var offset: Int?
        var topic: String?
        var tags: String?
        var keys: String?
        var queueId: Int?
        var queueOffset: Int?
        var reconsumeTimes: Int?
        var bornTimestamp: Int64?
        var storeTimestamp: Int64?
        var properties: [String: String?]?
        var succeeds: Bool?
    }

    /// What the reader thread has taken from its standard output.
    private final class Inbox: Sendable {
        let events = Mutex<[Event]>([])
        let noise = Mutex<[String]>([])  // lines that are no events: the library's own chatter

        func read(_ file: FileHandle) {
            var rest = Data()
            // `availableData` returns what is there; `read(upToCount:)` would wait for all of it.
            while case let chunk = file.availableData, !chunk.isEmpty {
                rest.append(chunk)
                while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                    let line = rest[rest.startIndex..<end]
                    if let event = try? JSONDecoder().decode(Event.self, from: line) {
                        events.withLock { $0.append(event) }
                    } else {
                        noise.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
                    }
                    rest = Data(rest[(end + 1)...])
                }
            }
        }
    }

    private let process = Process()
    private let input = Pipe()
    private let inbox = Inbox()

    init(_ arguments: [String], home: URL) throws {
        let output = Pipe()
        process.executableURL = Machine.python
        process.arguments = [Machine.clientScript.path] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging([
            "HOME": home.path, "PYTHONDONTWRITEBYTECODE": "1",
        ]) { $1 }
        process.currentDirectoryURL = home
        process.standardInput = input
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let inbox = inbox
        let file = output.fileHandleForReading
        Thread.detachNewThread { inbox.read(file) }
    }

    var events: [Event] { inbox.events.withLock { $0 } }

    /// Deliveries so far, in the order the client printed them.
    var messages: [Event] { events.filter { $0.event == "message" } }

    var bodies: [String] { messages.compactMap(\.body) }

    func waitUntilStarted() async throws {
        try await eventually("a client starts: \(said)", within: .seconds(30)) {
            if !process.isRunning { throw TestFailure("a client ended: \(said)") }
            return events.contains { $0.event == "started" }
        }
    }

    /// Sends one message per body and returns what became of each, in order.
    @discardableResult func send(
        _ bodies: [String], to topic: String, mode: String = "sync", tags: String? = nil, keys: String? = nil,
        properties: [String: String] = [:], shardingKey: String? = nil, delayLevel: Int = 0
    ) async throws -> [Event] {
        let before = events.count
        var command: [String: Any] = ["op": "send", "topic": topic, "bodies": bodies, "mode": mode]
        command["properties"] = properties
        command["delayLevel"] = delayLevel
        if let tags { command["tags"] = tags }
        if let keys { command["keys"] = keys }
        if let shardingKey { command["shardingKey"] = shardingKey }
        let line = try JSONSerialization.data(withJSONObject: command) + Data("\n".utf8)
        try input.fileHandleForWriting.write(contentsOf: line)
        try await eventually("\(bodies.count) sends are answered: \(said)") {
            if !process.isRunning { throw TestFailure("the producer ended: \(said)") }
            return events[before...].contains { $0.event == "done" }
        }
        return Array(events[before...].prefix { $0.event != "done" })
    }

    /// Sends and expects SEND_OK for every body.
    @discardableResult func sendOK(
        _ bodies: [String], to topic: String, tags: String? = nil, keys: String? = nil,
        properties: [String: String] = [:], delayLevel: Int = 0
    ) async throws -> [Event] {
        let sent = try await send(
            bodies, to: topic, tags: tags, keys: keys, properties: properties, delayLevel: delayLevel)
        let refused = sent.filter { $0.status != "OK" }.map { $0.error ?? $0.status ?? "?" }
        #expect(refused == [])
        return sent
    }

    /// Returns when each of `bodies` was delivered at least once.
    func waitFor(_ bodies: [String], within limit: Duration = .seconds(60)) async throws {
        let wanted = Set(bodies)
        try await eventually(
            "bodies \(wanted.subtracting(self.bodies).sorted().prefix(5)) … arrive, after \(messages.count) deliveries: \(said)",
            within: limit
        ) { wanted.isSubset(of: Set(self.bodies)) }
    }

    /// A clean shutdown: a consumer commits its offsets.
    func stop() async throws {
        try? input.fileHandleForWriting.write(contentsOf: Data("{\"op\": \"stop\"}\n".utf8))
        try await eventually("a client stops: \(said)", within: .seconds(30)) { !process.isRunning }
        #expect(events.last?.event == "stopped", "a client's end: \(said)")
    }

    func kill() {
        if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) }
    }

    /// What it printed that is no event, for a failure.
    private var said: String { inbox.noise.withLock { $0.suffix(10).joined(separator: " | ") } }
}
