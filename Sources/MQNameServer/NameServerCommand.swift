import MQConfig
import MQObserve
import MQSystem
import MQTransport

/// `mqnamesrv`: options, configuration file, log, and the server until a signal ends it.
///
/// Source: `NamesrvStartup.java`, RocketMQ 5.3.
public enum NameServerCommand {
    private static let usage = """
        usage: mqnamesrv [-c <arg>] [-h] [-m] [-n <arg>] [-p]
         -c,--configFile <arg>        Name server config properties file
         -h,--help                    Print help
         -m,--printImportantConfig    Print important config items
         -n,--namesrvAddr <arg>       Name server address list, eg: '192.168.0.1:9876;192.168.0.2:9876'
         -p,--printConfigItem         Print all config items
        """

    private struct Options {
        var configFile: String?
        var prints = false
        var printsImportant = false
        var wantsHelp = false
    }

    /// Runs the command until SIGTERM or SIGINT. Call on the main thread, before any other thread is started.
    /// - Parameter arguments: without the program's name.
    /// - Returns: the exit code.
    public static func run(_ arguments: [String]) -> Int32 {
        ThisProcess.prepareSignals()
        do throws(Failure) {
            let options = try parse(arguments)
            if options.wantsHelp {
                ThisProcess.say(usage)
                return 0
            }
            let (config, warnings) = try load(options)
            if options.prints || options.printsImportant {
                ThisProcess.put(config.listing(importantOnly: options.printsImportant && !options.prints))
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

    private static func parse(_ arguments: [String]) throws(Failure) -> Options {
        var options = Options()
        var rest = arguments[...]
        while let option = rest.popFirst() {
            switch option {
            case "-c", "--configFile":
                guard let path = rest.popFirst() else { throw Failure(sentence: "\(option) wants a file\n\(usage)") }
                options.configFile = path
            case "-n", "--namesrvAddr":  // for every RocketMQ command; name servers need no others
                guard rest.popFirst() != nil else { throw Failure(sentence: "\(option) wants addresses\n\(usage)") }
            case "-p", "--printConfigItem": options.prints = true
            case "-m", "--printImportantConfig": options.printsImportant = true
            case "-h", "--help": options.wantsHelp = true
            default: throw Failure(sentence: "unknown option \(option)\n\(usage)")
            }
        }
        return options
    }

    private static func load(_ options: Options) throws(Failure) -> (ConfigValues, [ConfigWarning]) {
        let machine = ConfigMachine(
            home: ThisProcess.home, rocketmqHome: ThisProcess.environment("ROCKETMQ_HOME") ?? "")
        guard let path = options.configFile else { return (ConfigValues(.nameServer, on: machine), []) }
        let bytes: [UInt8]?
        do throws(SystemError) {
            bytes = try FileSaver.read(path)
        } catch {
            throw Failure(sentence: "cannot read \(path): \(error.reason)")
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
        let log = openLog()
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

    /// `namesrv.log` in `ROCKETMQ_LOG_DIR`, or in RocketMQ's usual folder.
    private static func openLog() -> Log {
        let folder = ThisProcess.environment("ROCKETMQ_LOG_DIR") ?? ThisProcess.home + "/logs/rocketmqlogs"
        let path = folder + "/namesrv.log"
        do throws(SystemError) {
            try Directory.create(folder)
        } catch {
            ThisProcess.complain("mqnamesrv: no log: \(error)")
            return .silent
        }
        guard let file = LogFile(path: path) else {
            ThisProcess.complain("mqnamesrv: no log: cannot write \(path)")
            return .silent
        }
        return Log(to: file)
    }
}
