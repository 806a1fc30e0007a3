public import MQConfig
public import MQObserve
import MQProtocol
import MQRemoting
import MQTLS
public import MQSystem
public import MQTransport

/// A name server: one loop, one port, one thread that writes files. Several need no coordination: brokers register with
/// each. Made and used from one thread; what it serves runs on its own.
public final class NameServer: Sendable {
    private let loop: EventLoop
    private let server: RemotingServer
    private let saver: FileSaver
    private let log: Log

    /// Binds the port and reads the KV configuration; nothing is served before ``start()``.
    /// - Parameter config: values of ``ConfigTable/nameServer``; `listenPort=0` takes a free port.
    /// - Throws: ``NameServerError``; its description is one plain sentence.
    public init(config: ConfigValues, log: Log = .silent) throws(NameServerError) {
        let kvConfig = try Self.readKVConfig(config[NameServerKeys.kvConfigPath], log)
        let host = config[ServerKeys.bindAddress]
        let port = config[ServerKeys.nameServerListenPort]
        let gate: TLSGate
        do throws(TLSError) {
            gate = try TLSGate(config)
        } catch {
            throw .cannotServeTLS(error.description)
        }
        let saver = FileSaver()
        do throws(SystemError) {
            let loop = try EventLoop("io-0")
            var limits = RemotingServer.Limits()
            limits.idleSeconds = config[ServerKeys.serverChannelMaxIdleTimeSeconds].milliseconds / 1000
            let service = NameService(loop: loop, config: config, kvConfig: kvConfig, saver: saver, log: log)
            server = try RemotingServer(
                try SocketAddress.resolve(host: host, port: port), loops: [loop], limits: limits, gate: gate,
                log: log
            ) { _ in service }
            service.watchBrokers()
            self.loop = loop
        } catch {
            saver.stop()
            if error.isAddressInUse { throw .portInUse(host: host, port: port) }
            throw .cannotListen(error)
        }
        self.saver = saver
        self.log = log
    }

    /// Where it listens.
    public var address: SocketAddress { server.address }

    /// Begins to serve. Call once.
    public func start() {
        server.start()
        loop.start()
    }

    /// Stops listening, closes all connections, writes what waits to be written, and ends all threads. Call once, not
    /// on the loop.
    public func stop() {
        server.stop()
        loop.stop()
        saver.stop()
        log.info("name server stopped")
    }

    /// Longest KV configuration that is read, bytes.
    private static let fileByteCountMax = 16 << 20

    private static func readKVConfig(_ path: String, _ log: Log) throws(NameServerError) -> KVConfig {
        var firstReason: String?
        for candidate in [path, path + ".bak"] {
            do throws(SystemError) {
                guard let bytes = try File.contents(of: candidate, limit: fileByteCountMax) else { continue }
                do throws(BodyError) {
                    let kvConfig = try KVConfig(parsing: bytes)
                    if let firstReason {
                        log.warn(
                            "KV configuration is damaged, its backup is used", ["path": path, "reason": firstReason])
                    }
                    return kvConfig
                } catch {
                    firstReason = firstReason ?? error.description
                }
            } catch {
                firstReason = firstReason ?? error.reason
            }
            if firstReason == nil { break }
        }
        if let firstReason { throw .badKVConfig(path: path, reason: firstReason) }
        return KVConfig()
    }
}

/// Why a name server cannot start.
public enum NameServerError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Another process listens there.
    case portInUse(host: String, port: Int)
    /// The address cannot be listened on.
    case cannotListen(SystemError)
    /// TLS is set up with something that does not work.
    case cannotServeTLS(String)
    /// The KV configuration and its backup cannot be read.
    case badKVConfig(path: String, reason: String)

    /// What to print.
    public var description: String {
        switch self {
        case .portInUse(let host, let port):
            "port \(port) on \(host) is in use: another name server may be running, or set listenPort"
        case .cannotListen(let error): "cannot \(error)"
        case .cannotServeTLS(let reason): reason
        case .badKVConfig(let path, let reason): "cannot read the KV configuration \(path): \(reason)"
        }
    }
}
