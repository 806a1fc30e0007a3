import Foundation
import MQTestKit
import Testing

extension Cluster {
    /// Sends rounds until one reached both consumers.
    func untilShared(
        _ first: CppClient, _ second: CppClient, round send: (Int) async throws -> Void
    ) async throws {
        let deadline = ContinuousClock.now + .seconds(90)
        for round in 0... {
            try await send(round)
            let prefix = "round \(round) "
            func count(_ client: CppClient) -> Int { Set(client.bodies.filter { $0.hasPrefix(prefix) }).count }
            try await eventually("round \(round) arrives", within: .seconds(90)) { count(first) + count(second) >= 16 }
            if count(first) > 0, count(second) > 0 { return }
            guard ContinuousClock.now < deadline else {
                throw TestFailure("two consumers of a group did not divide the queues within 90 s")
            }
        }
    }

    /// Returns when the broker has written the group's offsets, `sum` over all queues, to config/consumerOffset.json.
    func waitForCommittedOffsets(sum: Int, group: String, topic: String) async throws {
        let file = folder.appending(path: "store/config/consumerOffset.json")
        func written() -> Int {
            guard let text = try? String(contentsOf: file, encoding: .utf8) else { return -1 }
            // fastjson leaves the queue numbers unquoted, which no strict parser reads: take them from the text.
            guard let entry = text.firstMatch(of: Regex<(Substring, Substring)>.offsets(of: "\(topic)@\(group)")) else {
                return -1
            }
            return entry.1.matches(of: /:\s*(\d+)/).reduce(0) { $0 + (Int($1.1) ?? 0) }
        }
        try await eventually("consumerOffset.json says \(sum), it says \(written())") { written() == sum }
    }
}

extension Regex where Output == (Substring, Substring) {
    fileprivate static func offsets(of key: String) -> Self {
        let pattern = "\"\(NSRegularExpression.escapedPattern(for: key))\"\\s*:\\s*\\{([^}]*)\\}"
        guard let regex = try? Regex(pattern, as: Output.self) else { preconditionFailure("pattern \(pattern)") }
        return regex
    }
}

extension CppClient {
    /// Sends each body until it is acknowledged: while a broker comes back, the client's first attempts may fail.
    func sendOKAfterRestart(_ bodies: [String], to topic: String) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        for body in bodies {
            var sent = try await send([body], to: topic)
            while sent.first?.status != "OK" {
                guard ContinuousClock.now < deadline else {
                    throw TestFailure("still refused a minute after the restart: \(sent.first?.error ?? "?")")
                }
                sent = try await send([body], to: topic)
            }
        }
    }
}
