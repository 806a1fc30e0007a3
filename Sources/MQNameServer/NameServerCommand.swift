import MQConfig
import MQObserve
import MQSystem
import MQTransport

/// `mqnamesrv`: options, configuration file, log, and the server until a signal ends it.
///
/// Source: `NamesrvStartup.java`, RocketMQ 5.3.
public enum NameServerCommand {
    /// Runs the command until SIGTERM or SIGINT. Call on the main thread, before any other thread is started.
    /// - Parameter arguments: without the program's name.
    /// - Returns: the exit code.
    public static func run(_ arguments: [String]) -> Int32 {
        ThisProcess.prepareSignals()
        do throws(Failure) {
            let options = try parsed(arguments)
            if options.wantsHelp {
                ThisProcess.say(ServerOptions.usage("mqnamesrv"))
                return 0
            }
            let (config, warnings) = try load(options)
            if options.printsAll || options.printsImportant {
                ThisProcess.put(config.listing(importantOnly: options.printsImportant && !options.printsAll))
                return 0
            }
            try serve(config, warnings)
            return 0
        } catch {
            ThisProcess.complain("mqnamesrv: \(error.sentence)")
            return 1
        }
    }

    /// What is said before the command ends.
    private struct Failure: Error {
        let sentence: String
    }

    private static func parsed(_ arguments: [String]) throws(Failure) -> ServerOptions {
        do throws(ServerOptions.UsageError) { return try ServerOptions(arguments) } catch {
            throw Failure(sentence: "\(error)\n\(ServerOptions.usage("mqnamesrv"))")
        }
    }

    private static func load(_ options: ServerOptions) throws(Failure) -> (ConfigValues, [ConfigWarning]) {
        let machine = ConfigMachine(
            home: ThisProcess.home, rocketmqHome: ThisProcess.environment("ROCKETMQ_HOME") ?? "")
        guard let path = options.configFile else { return (ConfigValues(.nameServer, on: machine), []) }
        let bytes: [UInt8]?
        do throws(SystemError) {
            bytes = try File.contents(of: path, limit: 1 << 20)
        } catch {
            throw Failure(sentence: "cannot \(error)")
        }
        guard let bytes else { throw Failure(sentence: "there is no file \(path)") }
        do throws(ConfigError) {
            let text = String(decoding: bytes, as: UTF8.self)
            var (config, warnings) = try ConfigTable.nameServer.load(text: text, fileName: path, on: machine)
            try config.set("configStorePath", to: path)  // hot updates go back to the file
            ThisProcess.say("load config properties file OK, \(path)")
            return (config, warnings)
        } catch {
            throw Failure(sentence: error.description)
        }
    }

    private static func serve(_ config: ConfigValues, _ warnings: [ConfigWarning]) throws(Failure) {
        let log = Log.opened(ThisProcess.logFolder() + "/namesrv.log") { ThisProcess.complain("mqnamesrv: \($0)") }
        for warning in warnings {
            ThisProcess.complain("mqnamesrv: \(warning)")
            log.warn(warning.description)
        }
        let server: NameServer
        do throws(NameServerError) {
            server = try NameServer(config: config, log: log)
        } catch {
            log.error(error.description)
            throw Failure(sentence: error.description)
        }
        server.start()
        let line = "The Name Server boot success. serializeType=JSON, address \(server.address)"
        ThisProcess.say(line)
        log.info(line)
        ThisProcess.waitForStopSignal()
        server.stop()
    }
}
