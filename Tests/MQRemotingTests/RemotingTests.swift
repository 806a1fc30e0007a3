import Foundation
import MQBytes
import MQObserve
import MQProtocol
import MQSystem
import MQTestKit
import MQTransport
import Testing

@testable import MQRemoting

/// Goal: every request gets its own answer or one error, in time; bad bytes end their connection and nothing else.
/// Method: a server and a client on loopback, each with a loop of its own.
@Suite(.timeLimit(.minutes(1))) struct RemotingTests {
    /// Answers code 1 with the request's body, 2 never, 3 from another thread; asks its peer back on 4.
    private final class Service: RemotingService {
        let closed: Monitor<Int>
        init(_ closed: Monitor<Int>) { self.closed = closed }

        func handle(
            _ header: RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>, on channel: RemotingChannel
        ) {
            let reply = channel.reply(to: header.opaque, isOneWay: header.isOneWay)
            let request = RemotingCommand(header, frame, in: bytes)
            let answer = RemotingCommand(.success, body: request.body)
            switch request.code {
            case 1: reply.send(answer)
            case 2: break
            case 3: _ = MQSystem.Thread("elsewhere") { reply.send(answer) }
            case 4:
                channel.invoke(RemotingCommand(testCode(5)), timeoutMilliseconds: 5000) { result in
                    reply.send((try? result.get()) ?? RemotingCommand(.systemError))
                }
            default: reply.send(.notSupported(request.code))
            }
        }

        func closed(_ channel: RemotingChannel, because reason: CloseReason) {
            closed.signal {
                $0 += 1
                return true
            }
        }
    }

    private final class Running {
        let serverLoop: EventLoop
        let clientLoop: EventLoop
        let server: RemotingServer
        let client: RemotingClient
        let closed = Monitor(0)
        let logFile: URL
        private let folder: TemporaryFolder

        var address: SocketAddress { server.address }

        init(idleSeconds: Int64 = 120, clientService: (any RemotingService)? = nil) throws {
            folder = try TemporaryFolder("apus-remoting")
            logFile = folder.url.appending(path: "server.log")
            let log = Log(to: try #require(LogFile(path: logFile.path)))
            serverLoop = try EventLoop("server-io")
            clientLoop = try EventLoop("client-io")
            var limits = RemotingServer.Limits()
            limits.idleSeconds = idleSeconds
            server = try RemotingServer(
                SocketAddress(ip: [127, 0, 0, 1], port: 0), loops: [serverLoop], limits: limits, log: log
            ) { [closed] _ in Service(closed) }
            client = RemotingClient(loop: clientLoop, service: clientService)
            serverLoop.start()
            clientLoop.start()
            server.start()
        }

        deinit {
            client.close()
            server.stop()
            clientLoop.stop()
            serverLoop.stop()
        }

        func ask(_ code: Int32, _ body: [UInt8] = [], timeout: Int64 = 10_000) -> Result<RemotingCommand, RemotingError> {
            client.invokeAndWait(RemotingCommand(testCode(code), body: body), to: address, timeoutMilliseconds: timeout)
        }
    }

    @Test(arguments: [1, 3] as [Int32]) func `answers find their requests`(code: Int32) throws {
        let running = try Running()
        let answers = Monitor<[Int: [UInt8]]>([:])
        for number in 0..<1000 {
            let body = Array("body \(number)".utf8)
            running.client.invoke(
                RemotingCommand(testCode(code), body: body), to: running.address, timeoutMilliseconds: 30_000
            ) { result in
                answers.signal {
                    $0[number] = (try? result.get().body) ?? []
                    return $0.count == 1000
                }
            }
        }
        let all = try #require(answers.wait { $0.count == 1000 ? $0 : nil })
        for (number, body) in all { #expect(body == Array("body \(number)".utf8)) }
    }

    @Test func `no answer in time is an error, and a late one harms nobody`() throws {
        let running = try Running()
        guard case .failure(.timedOut) = running.ask(2, timeout: 50) else {
            Issue.record("an answer came")
            return
        }
        #expect(try running.ask(1, [7]).get().body == [7])
    }

    @Test func `unknown codes are refused in RocketMQ's words`() throws {
        let answer = try Running().ask(9999).get()
        #expect(answer.code == 3 && answer.remark == " request type 9999 not supported")
    }

    @Test func `both sides ask over one connection`() throws {
        final class Answering: RemotingService {
            func handle(
                _ header: RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>, on channel: RemotingChannel
            ) {
                channel.reply(to: header.opaque, isOneWay: header.isOneWay).send(RemotingCommand(.success, body: [42]))
            }
            func closed(_ channel: RemotingChannel, because reason: CloseReason) {}
        }
        let running = try Running(clientService: Answering())
        #expect(try running.ask(4).get().body == [42])
    }

    @Test func `one-way requests are answered by nobody`() throws {
        let running = try Running()
        let sent = Monitor<Bool?>(nil)
        running.client.sendOneWay(RemotingCommand(testCode(1), body: [1]), to: running.address) { error in
            sent.signal {
                $0 = error == nil
                return true
            }
        }
        #expect(sent.wait { $0 } == true)
        #expect(try running.ask(1, [2]).get().body == [2], "the next answer is the next request's")
    }

    @Test func `a peer that is not there is one error`() throws {
        let running = try Running()
        let nobody = SocketAddress(ip: [127, 0, 0, 1], port: try Machine.freePort())
        guard
            case .failure(.cannotConnect) = running.client.invokeAndWait(
                RemotingCommand(testCode(1)), to: nobody, timeoutMilliseconds: 5000)
        else {
            Issue.record("it answered")
            return
        }
    }

    @Test func `what waits when a connection ends fails, and the next request connects anew`() throws {
        let running = try Running()
        let result = Monitor<Result<RemotingCommand, RemotingError>?>(nil)
        running.client.invoke(RemotingCommand(testCode(2)), to: running.address, timeoutMilliseconds: 30_000) { answer in
            result.signal {
                $0 = answer
                return true
            }
        }
        #expect(try running.ask(1, [1]).get().body == [1])
        running.client.disconnect(running.address)
        guard case .failure(.connectionLost) = result.wait(until: { $0 }) else {
            Issue.record("it was not told")
            return
        }
        #expect(try running.ask(1, [2]).get().body == [2])
    }

    @Test func `a silent connection is closed`() throws {
        let running = try Running(idleSeconds: 0)
        let peer = try RawPeer(running.address.port)
        #expect(try peer.readToEnd().isEmpty)
        #expect(running.closed.wait { $0 > 0 ? true : nil } == true)
    }

    @Test(
        arguments: [
            ("a TLS handshake", [0x16, 3, 1, 2, 0, 1, 0, 1]), ("a negative length", [255, 255, 255, 255, 0, 0, 0, 0]),
            ("a length without room for a header", [0, 0, 0, 0, 0, 0, 0, 0]),
            ("a header longer than its frame", [0, 0, 0, 8, 0, 0, 0, 200, 1, 2, 3, 4]),
            ("an unknown serialize type", [0, 0, 0, 6, 9, 0, 0, 2, 123, 125]),
            ("a header that is no JSON", [0, 0, 0, 6, 0, 0, 0, 2, 33, 33]),
            ("a frame over the limit", [0x7F, 255, 255, 255, 0, 0, 0, 0]),
        ] as [(String, [UInt8])])
    func `bad bytes close their connection, with one line in the log`(what: String, bytes: [UInt8]) throws {
        let running = try Running()
        let neighbour = running.ask(1, [1])
        let peer = try RawPeer(running.address.port)
        try peer.write(bytes)
        #expect(try peer.readToEnd().isEmpty, "\(what)")
        _ = running.closed.wait { $0 > 0 ? true : nil }
        let lines = try String(contentsOf: running.logFile, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 1 && lines[0].contains("connection refused"), "\(lines)")
        #expect(try neighbour.get().body == [1])
        #expect(try running.ask(1, [2]).get().body == [2], "the neighbour's connection lives")
    }
}

/// A blocking socket that sends what no client would.
private struct RawPeer {
    private let handle: FileHandle

    init(_ port: Int) throws {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(result == 0)
        handle = FileHandle(fileDescriptor: socket, closeOnDealloc: true)
    }

    func write(_ bytes: [UInt8]) throws { try handle.write(contentsOf: Data(bytes)) }

    /// Everything until the other end closes; a reset counts as an end.
    func readToEnd() throws -> Data { (try? handle.readToEnd()) ?? Data() }
}

/// A code that only these tests know.
private func testCode(_ code: Int32) -> RequestCode { RequestCode(rawValue: code) }
