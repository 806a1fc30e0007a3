import MQConfig
import MQObserve
import MQSystem
import MQTransport

/// `mqbroker`: options, configuration file, log, and the broker until a signal ends it.
///
/// Source: `BrokerStartup.java`, RocketMQ 5.3.
public enum BrokerCommand {
    /// Runs the command until SIGTERM or SIGINT. Call on the main thread, before any other thread is started.
    /// - Parameter arguments: without the program's name.
    /// - Returns: the exit code.
    public static func run(_ arguments: [String]) -> Int32 {
        ThisProcess.prepareSignals()
        do {
            let options = try ServerOptions(arguments, takesProxy: true)
            if options.wantsHelp {
                ThisProcess.say(ServerOptions.usage("mqbroker"))
                return 0
            }
            if options.wantsProxy { ThisProcess.complain("mqbroker: \(noProxy)") }
            let (values, warnings) = try load(options)
            if options.printsAll || options.printsImportant {
                ThisProcess.put(values.listing(importantOnly: options.printsImportant && !options.printsAll))
                return 0
            }
            try serve(values, warnings)
            return 0
        } catch let error as ServerOptions.UsageError {
            ThisProcess.complain("mqbroker: \(error)\n\(ServerOptions.usage("mqbroker"))")
        } catch {
            ThisProcess.complain("mqbroker: \(error)")
        }
        return 1
    }

    /// The quickstart of RocketMQ 5 begins with that option; the broker in it does not need the proxy.
    private static let noProxy =
        "--enable-proxy has no effect: this release has no proxy; remoting clients (4.x, and the Java, C++ and Python SDKs "
        + "of that protocol) connect to listenPort, gRPC clients (5.x SDKs) cannot connect"

    /// The configuration: defaults of this machine, then the file, then the options.
    static func load(_ options: ServerOptions) throws -> (ConfigValues, [ConfigWarning]) {
        let machine = ConfigMachine(
            home: ThisProcess.home, rocketmqHome: ThisProcess.environment("ROCKETMQ_HOME") ?? "",
            nameServers: ThisProcess.environment("NAMESRV_ADDR") ?? "", hostName: ThisProcess.hostName,
            localAddress: SocketAddress.ofThisMachine().host, processorCount: ThisProcess.processorCount)
        var (values, warnings) = (ConfigValues(.broker, on: machine), [ConfigWarning]())
        if let path = options.configFile {
            let bytes = try read(path)
            let text = String(decoding: bytes, as: UTF8.self)
            (values, warnings) = try ConfigTable.broker.load(text: text, fileName: path, on: machine)
            try values.set("brokerConfigPath", to: path)
            ThisProcess.say("load config properties file OK, \(path)")
        }
        if let nameServers = options.nameServers { try values.set("namesrvAddr", to: nameServers) }
        return (values, warnings)
    }

    private static func read(_ path: String) throws -> [UInt8] {
        do throws(SystemError) {
            if let bytes = try File.contents(of: path, limit: 1 << 20) { return bytes }
        } catch {
            throw BrokerStartError("cannot \(error)")
        }
        throw BrokerStartError("there is no file \(path)")
    }

    private static func serve(_ values: ConfigValues, _ warnings: [ConfigWarning]) throws {
        let log = Log.opened(ThisProcess.logFolder() + "/broker.log") { ThisProcess.complain("mqbroker: \($0)") }
        for warning in warnings {
            ThisProcess.complain("mqbroker: \(warning)")
            log.warn(warning.description)
        }
        let broker: Broker
        do {
            broker = try Broker(LiveConfig(values), log: log)
        } catch {
            log.error("broker not started", ["reason": "\(error)"])
            throw error
        }
        broker.start()
        let line = broker.bootLine
        ThisProcess.say(line)
        log.info(line)
        ThisProcess.waitForStopSignal()
        log.info("stopping")
        broker.stop()
        log.info("stopped")
    }
}
