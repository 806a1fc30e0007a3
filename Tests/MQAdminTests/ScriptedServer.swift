import MQObserve
import MQProtocol
import MQRemoting
import MQSystem
import MQTransport
import RocketMQClient

@testable import MQAdmin

/// A name server and broker that answers what a test says, and a way to run commands against it.
final class ScriptedServer: Sendable {
    private let loop: EventLoop
    private let server: RemotingServer

    var address: String { server.address.description }

    /// - Parameter answer: gets the request and the server's own address; `nil` never answers.
    init(_ answer: @escaping @Sendable (RemotingCommand, String) -> RemotingCommand?) throws {
        loop = try EventLoop("scripted")
        let door = Door(answer)
        server = try RemotingServer(
            SocketAddress(ip: [127, 0, 0, 1], port: 0), loops: [loop], log: .silent
        ) { _ in door }
        door.address.withLock { [address = server.address.description] in $0 = address }
        loop.start()
        server.start()
    }

    deinit {
        server.stop()
        loop.stop()
    }

    /// Runs a command as mqadmin does.
    func admin(_ words: [String], toolsFile: String? = nil) async -> (code: Int32, output: String, errors: String) {
        let output = Lock("")
        let errors = Lock("")
        let code = await CommandTable.standard.run(
            words + ["-n", address], toolsFile: toolsFile, output: Output { text in output.withLock { $0 += text } },
            complain: { text in errors.withLock { $0 += text } })
        return (code, output.withLock { $0 }, errors.withLock { $0 })
    }

    private final class Door: RemotingService {
        let address = Lock("")
        private let answer: @Sendable (RemotingCommand, String) -> RemotingCommand?

        init(_ answer: @escaping @Sendable (RemotingCommand, String) -> RemotingCommand?) { self.answer = answer }

        func handle(
            _ header: RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>, on channel: RemotingChannel
        ) {
            let request = RemotingCommand(header, frame, in: bytes)
            guard let answer = answer(request, address.withLock { $0 }) else { return }
            channel.reply(to: header.opaque, isOneWay: header.isOneWay).send(answer)
        }

        func closed(_ channel: RemotingChannel, because reason: CloseReason) {}
    }
}
