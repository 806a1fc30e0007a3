import Foundation
import MQAdmin
import MQProtocol
import MQSystem
import MQTLS
import MQTestKit
import RocketMQClient
import Synchronization
import Testing

/// Goal: the Swift client's other ways to real servers: popping, and TLS, over a restart of the broker.
@Suite(.timeLimit(.minutes(3))) struct ClientWaysTests {
    private func send(_ count: Int, from first: Int, to topic: String, _ client: ClientOptions) async throws {
        let producer = try Producer(group: "p", client: client)
        try await producer.withRunning { producer in
            for index in first..<first + count {
                try await producer.send(Message(topic: topic, body: Array(String(index).utf8)), timeout: .seconds(20))
            }
        }
    }

    /// Bodies that handlers saw, with how often.
    private final class Seen: Sendable {
        private let table = Mutex<[String: Int]>([:])

        func add(_ message: MessageExt) -> Int {
            table.withLock { table in
                table[String(decoding: message.body, as: UTF8.self), default: 0] += 1
                return table[String(decoding: message.body, as: UTF8.self)] ?? 0
            }
        }

        var bodies: Set<String> { Set(table.withLock { $0.keys }) }
    }

    @Test func `consumers that pop get everything, what failed again, over a restart of the broker`() async throws {
        try await Running.run { running in
            let nameServer = try await running.nameServer()
            let broker = try await running.broker([nameServer])
            let client = ClientOptions(nameServers: nameServer.address)
            let link = try ClusterLink(client)
            link.start()
            try await Admin(link: link).update(TopicConfig(topicName: "Popped"), at: broker.address)
            try await Admin(link: link).update(SubscriptionGroupConfig(groupName: "g"), at: broker.address)
            await link.shutdown()
            let mode = ["topic": "Popped", "consumerGroup": "g", "mode": "POP", "popShareQueueNum": "0"]
            let body = "{" + mode.map { "\"\($0)\":\"\($1)\"" }.joined(separator: ",") + "}"
            let answer = try RemotingPeer(port: broker.port).ask(
                RemotingCommand(.setMessageRequestMode, body: Array(body.utf8)))
            try #require(answer.responseCode == .success, "\(answer.remark ?? "")")

            var options = ConsumerOptions()
            options.consumeFromWhere = .firstOffset
            options.assignment = .broker
            options.pop.invisibleTime = .seconds(10)
            options.rebalanceInterval = .seconds(1)
            let seen = Seen()
            let consumers = try (0..<2).map { _ in try PushConsumer(group: "g", options: options, client: client) }
            for consumer in consumers {
                try await consumer.subscribe("Popped")
                try await consumer.start { message, _ in
                    let isFirst = seen.add(message) == 1
                    return isFirst && message.body == Array("7".utf8) ? .later() : .success
                }
            }
            try await send(50, from: 0, to: "Popped", client)
            try await eventually("all have come", within: .seconds(60)) { seen.bodies.count == 50 }
            for consumer in consumers {
                #expect(await consumer.queues.contains { $0.topic == "Popped" && $0.queueID == -1 })
            }
            try await broker.stop()
            try await broker.start()
            try await send(50, from: 50, to: "Popped", client)
            try await eventually("all have come", within: .seconds(60)) { seen.bodies.count == 100 }
            for consumer in consumers { await consumer.shutdown() }
        }
    }

    /// A folder with `cert.pem` for 127.0.0.1 and `key.pem`, encrypted if there is a password.
    private func certificate(password: String? = nil) throws -> TemporaryFolder {
        let folder = try TemporaryFolder("apus-tls")
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/openssl")
        process.arguments =
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2", "-subj",
                "/CN=broker",
                "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder.path + "/key.pem", "-out",
                folder.path + "/cert.pem",
            ] + (password.map { ["-passout", "pass:\($0)"] } ?? ["-nodes"])
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return folder
    }

    @Test func `a broker registers by TLS, with an encrypted key and passwords in a file of their own`() async throws {
        let folder = try certificate(password: "geheim")
        func write(_ password: String, to name: String) throws -> String {
            let path = folder.path + "/\(name).properties"
            let lines = [
                "tls.test.mode.enable=false", "tls.server.certPath=\(folder.path)/cert.pem",
                "tls.server.keyPath=\(folder.path)/key.pem", "tls.server.keyPassword=\(password)",
                "tls.client.authServer=true", "tls.client.trustCertPath=\(folder.path)/cert.pem",
            ]
            try lines.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
            return path
        }
        let tls = ["tls.server.mode": "enforcing", "tls.config.file": try write("geheim", to: "tls")]
        try await Running.run { running in
            let nameServer = try await running.nameServer("namesrv", tls)
            let broker = try await running.broker([nameServer], tls)
            var client = ClientOptions(nameServers: nameServer.address)
            client.tls = TLSOptions()
            client.tls?.trustPath = folder.path + "/cert.pem"
            try await send(5, from: 0, to: "Sealed", client)  // its route is known: the broker has registered
            try await broker.stop()
            try await broker.start()
            try await send(5, from: 5, to: "Sealed", client)
            let link = try ClusterLink(client)
            link.start()
            let told = try await link.ask(RemotingCommand(.getBrokerConfig), at: broker.address)
            await link.shutdown()
            let listing = String(decoding: told.body, as: UTF8.self)
            #expect(!listing.contains("geheim") && listing.contains("tls.config.file"))

            let refused = try Server.broker(
                "refused", nameServers: [nameServer], settings: ["tls.config.file": try write("falsch", to: "other")],
                in: running.folder.url)
            await #expect { try await refused.start() } throws: { "\($0)".contains("key.pem is no key of") }
        }
        // A broker that trusts somebody else does not register, and says why.
        try await Running.run { running in
            let nameServer = try await running.nameServer("namesrv", tls)
            let other = try certificate()
            let broker = try await running.broker(
                [nameServer],
                [
                    "tls.enable": "true", "tls.client.authServer": "true",
                    "tls.client.trustCertPath": other.path + "/cert.pem",
                ])
            try await eventually("it is logged", within: .seconds(20)) { broker.logs.contains("not trusted") }
        }
    }

    @Test func `everything goes over TLS where servers want nothing else`() async throws {
        let folder = try certificate()
        try await Running.run { running in
            let nameServer = try await running.nameServer()
            let broker = try await running.broker(
                [nameServer],
                [
                    "tls.server.mode": "enforcing", "tls.server.certPath": folder.path + "/cert.pem",
                    "tls.server.keyPath": folder.path + "/key.pem",
                ])
            var client = ClientOptions(nameServers: nameServer.address)
            client.tls = TLSOptions()
            client.tls?.trustPath = folder.path + "/cert.pem"
            // The name server made its certificate itself, and nobody can trust it: that is said, not passed over.
            await #expect { try await send(1, from: 0, to: "Sealed", client) } throws: {
                "\($0)".contains("not trusted")
            }
            client.tls?.verification = .none
            try await send(20, from: 0, to: "Sealed", client)
            var options = ConsumerOptions()
            options.consumeFromWhere = .firstOffset
            let seen = Seen()
            let consumer = try PushConsumer(group: "g", options: options, client: client)
            try await consumer.subscribe("Sealed")
            try await consumer.start { message, _ in
                _ = seen.add(message)
                return .success
            }
            try await broker.stop()
            try await broker.start()
            try await send(20, from: 20, to: "Sealed", client)
            try await eventually("all have come", within: .seconds(60)) { seen.bodies.count == 40 }
            await consumer.shutdown()
            let plain = ClientOptions(nameServers: nameServer.address)
            await #expect(throws: (any Error).self) { try await send(1, from: 0, to: "Sealed", plain) }
        }
    }
}
