import MQBroker
import MQNameServer
import MQStoreTool
import MQSystem

/// `apus dev`: a name server and a broker in one process, in a folder that is removed at the end or in one that is given.
enum DevelopmentCommand {
    private static let usage = """
        usage: apus dev [--dir DIR] [--namesrv-port PORT] [--broker-port PORT]
               apus store verify|dump|repair|stat DIR [options]; apus store help says more
         --dir DIR             keep store and configuration in DIR; without it a temporary folder is used and removed
         --namesrv-port PORT   default 9876
         --broker-port PORT    default 10911
        """

    private struct Options {
        var folder: String?
        var nameServerPort = 9876
        var brokerPort = 10911
    }

    private struct UsageError: Error, CustomStringConvertible {
        let description: String
    }

    static func run(_ arguments: [String]) -> Int32 {
        if arguments.first == "store" { return StoreCommand.run(Array(arguments.dropFirst())) }
        ThisProcess.prepareSignals()
        do {
            guard arguments.first == "dev" else {
                ThisProcess.say(usage)
                return arguments.isEmpty || arguments.first == "-h" || arguments.first == "--help" ? 0 : 1
            }
            try serve(parse(arguments.dropFirst()))
            return 0
        } catch let error as UsageError {
            ThisProcess.complain("apus: \(error)\n\(usage)")
        } catch {
            ThisProcess.complain("apus: \(error)")
        }
        return 1
    }

    private static func parse(_ arguments: ArraySlice<String>) throws -> Options {
        var options = Options()
        var rest = arguments
        while let option = rest.popFirst() {
            guard let value = rest.popFirst() else { throw UsageError(description: "\(option) wants a value") }
            switch option {
            case "--dir": options.folder = value
            case "--namesrv-port": options.nameServerPort = try port(value)
            case "--broker-port": options.brokerPort = try port(value)
            default: throw UsageError(description: "unknown option \(option)")
            }
        }
        return options
    }

    private static func port(_ text: String) throws -> Int {
        guard let port = UInt16(text), port > 2 else { throw UsageError(description: "\(text) is no port") }
        return Int(port)
    }

    private static func serve(_ options: Options) throws {
        let folder = options.folder ?? "/tmp/apus-dev-\(ThisProcess.id)"
        try Directory.create(folder)
        defer {
            // Best effort: a temporary folder that stays costs room, not messages.
            if options.folder == nil { try? Directory.removeTree(folder) }
        }
        let nameServer = try NameServer.forDevelopment(port: options.nameServerPort, folder: folder)
        nameServer.start()
        defer { nameServer.stop() }
        let broker = try Broker.forDevelopment(
            port: options.brokerPort, nameServer: "127.0.0.1:\(options.nameServerPort)", folder: folder)
        broker.start()
        defer { broker.stop() }
        ThisProcess.say(
            "name server 127.0.0.1:\(options.nameServerPort), broker \(broker.identity.address), in \(folder)")
        ThisProcess.waitForStopSignal()
    }
}
