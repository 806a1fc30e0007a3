import Foundation
import MQBytes
import MQObserve
import MQProtocol
import MQSystem
import MQTransport
import MQTestKit
import Testing

@testable import MQRemoting

/// A server whose answers depend on the code: 1 echoes, 2 never answers, 3 waits for three and answers them backwards,
/// 4 closes, 5 asks back first, 6 echoes from another thread; others are refused.
private final class Teller: RemotingService {
    private var held: [(Reply, RemotingCommand)] = []
    private let notes: Notes

    init(_ notes: Notes) { self.notes = notes }

    func handle(_ header: RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>, on channel: RemotingChannel) {
        let request = RemotingCommand(header, frame, in: bytes)
        let reply = channel.reply(to: header.opaque, isOneWay: header.isOneWay)
        var echo = RemotingCommand(.success, body: request.body)
        echo.fields = request.fields
        switch header.code {
        case 1:
            if header.isOneWay { notes.add("one-way \(request["n"] ?? "")") }
            reply.send(echo)
        case 2: break
        case 3:
            held.append((reply, echo))
            guard held.count == 3 else { return }
            for (reply, echo) in held.reversed() { reply.send(echo) }
            held = []
        case 4: channel.connection.close("asked to")
        case 5:
            channel.invoke(RemotingCommand(RequestCode(rawValue: 77)), timeoutMilliseconds: 5000) { result in
                echo["asked"] = (try? result.get().remark) ?? "\(result)"
                reply.send(echo)
            }
        case 6: _ = MQSystem.Thread("elsewhere") { [echo] in reply.send(echo) }
        default: reply.send(.notSupported(header.code))
        }
    }

    func closed(_ channel: RemotingChannel, because reason: CloseReason) { notes.add("closed") }
}

/// A server and a client on loops of their own.
private final class Pair {
    let notes = Notes()
    let server: RemotingServer
    let client: RemotingClient
    let logPath = FileManager.default.temporaryDirectory.path + "/apus-remoting-\(UUID().uuidString).log"
    private let serverLoop: EventLoop
    private let clientLoop: EventLoop

    var address: SocketAddress { server.address }

    init(idleSeconds: Int64 = 120, serializeType: SerializeType = .json) throws {
        serverLoop = try EventLoop("server")
        clientLoop = try EventLoop("client")
        var limits = RemotingServer.Limits()
        limits.idleSeconds = idleSeconds
        let log = Log(to: try #require(LogFile(path: logPath)))
        server = try RemotingServer(
            SocketAddress(ip: [127, 0, 0, 1], port: 0), loops: [serverLoop], limits: limits,
            serializeType: serializeType, log: log
        ) { [notes] _ in Teller(notes) }
        client = RemotingClient(loop: clientLoop)
        serverLoop.start()
        clientLoop.start()
        server.start()
    }

    func stop() {
        clientLoop.stop()
        serverLoop.stop()
    }

    deinit {
        stop()
        try? FileManager.default.removeItem(atPath: logPath)
    }

    func ask(_ code: Int32, _ text: String = "", milliseconds: Int64 = 10_000) -> Result<RemotingCommand, RemotingError>
    {
        client.invokeAndWait(
            RemotingCommand(RequestCode(rawValue: code), ["n": text]), to: address, timeoutMilliseconds: milliseconds)
    }

    var warnings: [Substring] {
        ((try? String(contentsOfFile: logPath, encoding: .utf8)) ?? "").split(separator: "\n").filter {
            $0.contains("WARN")
        }
    }
}

@Suite struct RemotingTests {
    @Test(arguments: [SerializeType.json, .rocketMQ])
    func `a request gets its answer`(type: SerializeType) throws {
        let pair = try Pair(serializeType: type)
        let answer = try pair.ask(1, "x\"\u{1}é").get()
        #expect(answer.responseCode == .success && answer["n"] == "x\"\u{1}é" && answer.isResponse)
    }

    @Test func `answers out of order find their requests`() throws {
        let pair = try Pair()
        let notes = Notes()
        for number in 0..<300 {
            let request = RemotingCommand(RequestCode(rawValue: 3), ["n": "\(number)"])
            pair.client.invoke(request, to: pair.address, timeoutMilliseconds: 20_000) { result in
                notes.add("\(number) \((try? result.get()["n"]) == "\(number)")")
            }
        }
        let lines = notes.wait(for: 300)
        #expect(lines.count == 300 && lines.allSatisfy { $0.hasSuffix("true") })
        #expect(lines.prefix(3) == ["2 true", "1 true", "0 true"])
    }

    @Test func `an answer may come from another thread`() throws {
        let pair = try Pair()
        for number in 0..<50 { #expect(try pair.ask(6, "\(number)").get()["n"] == "\(number)") }
    }

    @Test func `one-way requests are not answered`() throws {
        let pair = try Pair()
        for number in 0..<3 {
            pair.client.sendOneWay(RemotingCommand(RequestCode(rawValue: 1), ["n": "\(number)"]), to: pair.address)
        }
        #expect(pair.notes.wait(for: 3) == ["one-way 0", "one-way 1", "one-way 2"])
        #expect(try pair.ask(1, "after").get()["n"] == "after")
    }

    @Test func `an unknown code is answered in RocketMQ's words`() throws {
        let pair = try Pair()
        let answer = try pair.ask(4711).get()
        #expect(answer.responseCode == .requestCodeNotSupported && answer.remark == " request type 4711 not supported")
    }

    @Test func `both sides may ask`() throws {
        let pair = try Pair()
        #expect(try pair.ask(5).get()["asked"] == " request type 77 not supported")
    }

    @Test func `an answer that does not come is an error, and its lateness hurts nobody`() throws {
        let pair = try Pair()
        guard case .failure(.timedOut) = pair.ask(2, milliseconds: 50) else {
            Issue.record("no answer came, and that was no error")
            return
        }
        let (first, second) = (pair.ask(3, "a", milliseconds: 30), pair.ask(3, "b", milliseconds: 30))
        #expect(throws: RemotingError.self) { try first.get() }
        #expect(throws: RemotingError.self) { try second.get() }
        #expect(try pair.ask(3, "c").get()["n"] == "c")
        #expect(try pair.ask(1, "d").get()["n"] == "d")
    }

    @Test func `a lost connection fails what waits, and the next request connects again`() throws {
        let pair = try Pair()
        guard case .failure(.connectionLost) = pair.ask(4) else {
            Issue.record("the connection was not lost")
            return
        }
        #expect(try pair.ask(1, "again").get()["n"] == "again")
    }

    @Test func `nobody there is an error`() throws {
        let pair = try Pair()
        let address = pair.address
        pair.stop()
        let loop = try EventLoop("lonely")
        let client = RemotingClient(loop: loop)  // before the loop runs: what a loop owns is made on it then
        loop.start()
        let result = client.invokeAndWait(RemotingCommand(.heartBeat), to: address, timeoutMilliseconds: 5000)
        guard case .failure(.cannotConnect(let error)) = result else {
            Issue.record("\(result)")
            return
        }
        #expect(error.code == ECONNREFUSED)
        loop.stop()
    }

    @Test func `who asks over a loop that has stopped is not kept for ever`() throws {
        let loop = try EventLoop("stopped")
        let client = RemotingClient(loop: loop, connectTimeoutMilliseconds: 20)
        loop.start()
        loop.stop()
        let nowhere = SocketAddress(ip: [127, 0, 0, 1], port: 1)
        let result = client.invokeAndWait(RemotingCommand(.heartBeat), to: nowhere, timeoutMilliseconds: 30)
        guard case .failure(.timedOut) = result else {
            Issue.record("\(result)")
            return
        }
    }

    @Test func `too many requests in flight are refused, the others stay`() throws {
        let pair = try Pair()
        _ = try pair.ask(1).get()
        let refused = Monitor(0)
        let lost = Monitor(0)
        for _ in 0..<(RemotingChannel.pendingMax + 3) {
            pair.client.invoke(RemotingCommand(RequestCode(rawValue: 2)), to: pair.address, timeoutMilliseconds: 60_000)
            { result in
                guard case .failure(let error) = result else { return }
                let counter = error == .tooManyInFlight(limit: RemotingChannel.pendingMax) ? refused : lost
                counter.signal {
                    $0 += 1
                    return true
                }
            }
        }
        #expect(refused.wait(milliseconds: 20_000) { $0 == 3 ? true : nil } == true)
        pair.client.close()
        #expect(lost.wait(milliseconds: 20_000) { $0 == RemotingChannel.pendingMax ? true : nil } == true)
    }

    @Test func `a silent connection is closed, a busy one is not`() throws {
        let pair = try Pair(idleSeconds: 1)
        let silent = try RawSocket(port: pair.address.port)
        let started = ContinuousClock.now
        var answers = 0
        while ContinuousClock.now - started < .milliseconds(1600) {
            // The wait for an answer that does not come is the pace.
            _ = pair.ask(2, milliseconds: 100)
            answers += (try? pair.ask(1).get()) == nil ? 0 : 1
        }
        #expect(answers >= 10)
        #expect(silent.receive().isEmpty)
        #expect(pair.notes.wait(for: 1) == ["closed"])
    }

    @Test(
        arguments: [
            [0xFF, 0xFF, 0xFF, 0xFF], [0, 0, 0, 6, 9, 0, 0, 2, 0x7B, 0x7D], [0, 0, 0, 6, 0, 0, 0, 2, 0x7B, 0x7B],
            [0x16, 3, 1, 0, 0, 0, 0, 0],
        ] as [[UInt8]])
    func `a bad frame closes its connection with one line in the log`(bytes: [UInt8]) throws {
        let pair = try Pair()
        let peer = try RawSocket(port: pair.address.port)
        peer.send(bytes + bytes)
        #expect(peer.receive().isEmpty)
        _ = pair.notes.wait(for: 1)
        #expect(try pair.ask(1, "fine").get()["n"] == "fine")
        #expect(pair.warnings.count == 1, "\(pair.warnings)")
        #expect(pair.warnings.first?.contains("bad frame") == true)
    }

    @Test func `an answer nobody asked for is passed over`() throws {
        let pair = try Pair()
        let peer = try RawSocket(port: pair.address.port)
        var stray = RemotingCommand(.success, remark: "stray")
        stray.opaque = 5
        peer.send(stray.frame() + RemotingCommand(RequestCode(rawValue: 1), ["n": "then"]).frame())
        #expect(String(decoding: peer.receive(), as: UTF8.self).contains("then"))
    }
}
