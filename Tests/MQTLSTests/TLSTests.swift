import Foundation
import MQBytes
import MQTestKit
import MQTransport
import Synchronization
import Testing

@testable import MQTLS

/// Goal: bytes arrive whole behind TLS, whoever is not trusted is told why, and nothing that a peer sends traps.
/// Method: two sessions over memory; an authority and certificates made with the openssl command; real sockets for the
/// connection's part.
@Suite(.serialized, .timeLimit(.minutes(1))) struct TLSTests {
    /// Certificates in a folder of their own.
    struct Authority {
        let folder = try? TemporaryFolder("apus-tls")
        var trust: String { path("ca.pem") }

        func path(_ name: String) -> String { (folder?.path ?? "") + "/" + name }

        init() throws {
            try openssl(
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/CN=test authority", "-keyout", path("ca.key"), "-out", path("ca.pem"))
        }

        /// A certificate for `names`, as `subjectAltName` has them.
        func certify(_ name: String, _ names: String, password: String? = nil) throws {
            var key = [
                "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path(name + ".key"),
            ]
            if let password { key += ["-aes256", "-pass", "pass:\(password)"] }
            try openssl(key)
            let pass = password.map { ["-passin", "pass:\($0)"] } ?? []
            try openssl(
                ["req", "-new", "-key", path(name + ".key"), "-subj", "/CN=\(name)", "-out", path("csr")] + pass)
            try Data("subjectAltName=\(names)".utf8).write(to: URL(filePath: path("ext")))
            try openssl(
                "x509", "-req", "-in", path("csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial",
                "-days", "2", "-extfile", path("ext"), "-out", path(name + ".pem"))
        }

        func options(_ name: String? = nil) -> TLSOptions {
            var options = TLSOptions()
            options.trustPath = trust
            options.certificatePath = name.map { path($0 + ".pem") }
            options.keyPath = name.map { path($0 + ".key") }
            return options
        }

        private func openssl(_ arguments: String...) throws { try openssl(arguments) }

        private func openssl(_ arguments: [String]) throws {
            let process = Process()
            process.executableURL = URL(filePath: "/usr/bin/openssl")
            process.arguments = arguments
            process.standardError = FileHandle.nullDevice
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            try #require(process.terminationStatus == 0, "openssl \(arguments)")
        }
    }

    /// Passes what two sessions say to each other until both are silent.
    private func talk(_ client: TLSSession, _ server: TLSSession) throws(CipherError) {
        var toServer = ByteBuffer()
        var toClient = ByteBuffer()
        var plain = ByteBuffer()
        try client.begin(into: &toServer)
        while !toServer.isEmpty || !toClient.isEmpty {
            var left = ByteBuffer()
            var right = ByteBuffer()
            swap(&left, &toServer)
            swap(&right, &toClient)
            if !left.isEmpty { try server.open(left.span, into: &plain, answer: &toClient) }
            if !right.isEmpty { try client.open(right.span, into: &plain, answer: &toServer) }
        }
    }

    private func send(_ bytes: [UInt8], from left: TLSSession, to right: TLSSession, pieces: Int) throws -> [UInt8] {
        var sealed = ByteBuffer()
        var plain = ByteBuffer()
        var back = ByteBuffer()
        try left.seal(bytes.span, into: &sealed)
        var position = 0
        while position < sealed.count {
            let end = min(sealed.count, position + pieces)
            try right.open(sealed.span.extracting(position..<end), into: &plain, answer: &back)
            position = end
        }
        return plain.toArray()
    }

    @Test(arguments: ["localhost", "127.0.0.1"])
    func `what goes in comes out, in any pieces`(host: String) throws {
        let authority = try Authority()
        try authority.certify("server", "DNS:localhost,IP:127.0.0.1")
        let client = TLSSession(try .client(authority.options()), host: host)
        let server = TLSSession(try .server(authority.options("server")))
        try talk(client, server)
        #expect(client.isReady && server.isReady)
        for (size, pieces) in [(1, 1), (100, 7), (70_000, 1000), (1_000_000, 65_536)] {
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            #expect(try send(bytes, from: client, to: server, pieces: pieces) == bytes)
            #expect(try send(bytes, from: server, to: client, pieces: pieces) == bytes)
        }
    }

    private func refusal(_ client: TLSSession, _ server: TLSSession) -> String? {
        do throws(CipherError) {
            try talk(client, server)
            return nil
        } catch {
            return error.description
        }
    }

    @Test func `who is not trusted, or somebody else, is refused unless nobody looks`() throws {
        let (authority, other) = (try Authority(), try Authority())
        try authority.certify("server", "DNS:broker.example")
        let server = try TLSContext.server(authority.options("server"))
        func client(_ verification: TLSOptions.Verification, trusting trust: Authority) throws -> TLSContext {
            var options = trust.options()
            options.verification = verification
            return try .client(options)
        }
        let asked: [(TLSOptions.Verification, Authority, String, String?)] = [
            (.full, authority, "broker.example", nil), (.full, authority, "other.example", "mismatch"),
            (.full, authority, "10.0.0.1", "mismatch"), (.chainOnly, authority, "10.0.0.1", nil),
            (.chainOnly, other, "broker.example", "not trusted"), (.full, other, "broker.example", "not trusted"),
            (.none, other, "10.0.0.1", nil),
        ]
        for (verification, trust, host, refused) in asked {
            let context = try client(verification, trusting: trust)
            let said = refusal(TLSSession(context, host: host), TLSSession(server))
            #expect(
                refused.map { said?.contains($0) == true } ?? (said == nil), "\(verification) \(host): \(said ?? "")")
        }
    }

    @Test func `clients show certificates where they must`() throws {
        let authority = try Authority()
        try authority.certify("server", "DNS:localhost")
        try authority.certify("client", "DNS:client", password: "secret")
        let server = try TLSContext.server(authority.options("server"), clients: .require)
        let plain = try TLSContext.client(authority.options())
        #expect(refusal(TLSSession(plain, host: "localhost"), TLSSession(server)) != nil)
        var options = authority.options("client")
        #expect(throws: TLSError.self) { try TLSContext.client(options) }
        options.keyPassword = "secret"
        #expect(!"\(options)".contains("secret"))
        #expect(refusal(TLSSession(try .client(options), host: "localhost"), TLSSession(server)) == nil)
    }

    @Test func `files that are not what they should be are named`() throws {
        let authority = try Authority()
        try authority.certify("server", "DNS:localhost")
        try authority.certify("other", "DNS:localhost")
        var options = authority.options("server")
        options.keyPath = authority.path("other.key")
        #expect { try TLSContext.server(options) } throws: { "\($0)".contains("other.key") }
        options.keyPath = nil
        #expect { try TLSContext.server(options) } throws: { "\($0)".contains("no key") }
        options = authority.options()
        options.trustPath = "/nowhere.pem"
        #expect { try TLSContext.client(options) } throws: { "\($0)".contains("/nowhere.pem") }
    }

    @Test func `noise ends a session and never traps`() throws {
        let authority = try Authority()
        try authority.certify("server", "DNS:localhost")
        var random = SystemRandomNumberGenerator()
        let context = try TLSContext.server(authority.options("server"))
        for round in 0..<200 {
            let server = TLSSession(context)
            var bytes = (0..<Int.random(in: 1...600, using: &random)).map { _ in
                UInt8.random(in: .min ... .max, using: &random)
            }
            if round % 2 == 0 { bytes.insert(contentsOf: [0x16, 3, 1, 2, 0, 1, 0], at: 0) }
            var plain = ByteBuffer()
            var output = ByteBuffer()
            do throws(CipherError) {
                for _ in 0..<3 { try server.open(bytes.span, into: &plain, answer: &output) }
            } catch {}
            #expect(plain.isEmpty && !server.isReady)
        }
    }

    @Test(arguments: TLSGate.Mode.allCases)
    func `the first byte decides, as the mode says`(mode: TLSGate.Mode) throws {
        let gate = try TLSGate(mode, TLSOptions())  // with a certificate made on the spot
        func name(_ admission: Admission) -> String {
            switch admission {
            case .plain: "plain"
            case .sealed: "sealed"
            case .refused: "refused"
            }
        }
        let expected = [
            TLSGate.Mode.disabled: ["plain", "refused"], .permissive: ["plain", "sealed"],
            .enforcing: ["refused", "sealed"],
        ]
        #expect([name(gate.admit(0)), name(gate.admit(0x16))] == expected[mode])
    }

    @Test func `a certificate that changes is read anew`() throws {
        let authority = try Authority()
        try authority.certify("server", "DNS:first.example")
        let gate = try TLSGate(.permissive, authority.options("server"))
        let client = try TLSContext.client(authority.options())
        func isTrusted(_ host: String) -> Bool {
            guard case .sealed(let cipher) = gate.admit(0x16), let server = cipher as? TLSSession else { return false }
            return refusal(TLSSession(client, host: host), server) == nil
        }
        #expect(isTrusted("first.example"))
        try authority.certify("server", "DNS:second.example")
        let deadline = ContinuousClock.now + .seconds(20)
        while !isTrusted("second.example"), ContinuousClock.now < deadline { usleep(50_000) }
        #expect(isTrusted("second.example") && !isTrusted("first.example"))
    }

    /// Sends back what it gets, and tells what came.
    private final class Echo: ConnectionHandler {
        func received(_ bytes: Span<UInt8>, on connection: Connection) -> Int {
            connection.send { $0.append(bytes) }
            return bytes.count
        }

        func closed(_ connection: Connection, because reason: CloseReason) {}
    }

    private final class Counter: ConnectionHandler {
        let seen: Seen
        init(_ seen: Seen) { self.seen = seen }

        func received(_ bytes: Span<UInt8>, on connection: Connection) -> Int {
            seen.add(bytes.toArray())
            return bytes.count
        }

        func closed(_ connection: Connection, because reason: CloseReason) { seen.close(reason.description) }
    }

    private final class Seen: Sendable {
        private let state = Mutex<(bytes: [UInt8], reason: String?)>(([], nil))

        func add(_ bytes: [UInt8]) { state.withLock { $0.bytes += bytes } }
        func close(_ reason: String) { state.withLock { $0.reason = reason } }
        var bytes: [UInt8] { state.withLock { $0.bytes } }
        var reason: String? { state.withLock { $0.reason } }
    }

    @Test(arguments: [true, false])
    func `megabytes go through sockets and come back, plain and sealed`(isSealed: Bool) throws {
        let authority = try Authority()
        try authority.certify("server", "IP:127.0.0.1")
        let gate = try TLSGate(.permissive, authority.options("server"))
        let loop = try EventLoop("tls")
        let listener = try Listener(SocketAddress(ip: [127, 0, 0, 1], port: 0), loops: [loop], gate: gate) { _ in Echo()
        }
        loop.start()
        listener.start()
        let context = try TLSContext.client(authority.options())
        let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let seen = Seen()
        loop.connect(to: listener.address, timeoutMilliseconds: 5000) { result in
            guard case .success(let connection) = result else { return }
            connection.attach(Counter(seen))
            if isSealed { connection.seal(with: TLSSession(context, host: "127.0.0.1")) }
            connection.send { $0.append(bytes) }
        }
        let deadline = ContinuousClock.now + .seconds(30)
        while seen.bytes.count < bytes.count, seen.reason == nil, ContinuousClock.now < deadline { usleep(10_000) }
        #expect(seen.bytes == bytes, "\(seen.reason ?? "")")
        loop.stop()
    }

    @Test func `a client that trusts nobody there hears why`() throws {
        let gate = try TLSGate(.enforcing, TLSOptions())
        let loop = try EventLoop("tls")
        let listener = try Listener(SocketAddress(ip: [127, 0, 0, 1], port: 0), loops: [loop], gate: gate) { _ in Echo()
        }
        loop.start()
        listener.start()
        let context = try TLSContext.client(TLSOptions())
        let (sealed, plain) = (Seen(), Seen())
        for (seen, isSealed) in [(sealed, true), (plain, false)] {
            loop.connect(to: listener.address, timeoutMilliseconds: 5000) { result in
                guard case .success(let connection) = result else { return }
                connection.attach(Counter(seen))
                if isSealed { connection.seal(with: TLSSession(context, host: "127.0.0.1")) }
                connection.send { $0.append([0, 1, 2]) }
            }
        }
        let deadline = ContinuousClock.now + .seconds(30)
        while sealed.reason == nil || plain.reason == nil, ContinuousClock.now < deadline { usleep(10_000) }
        #expect(sealed.reason?.contains("not trusted") == true, "\(sealed.reason ?? "")")
        #expect(plain.reason != nil)
        loop.stop()
    }
}
