/// The options that `mqnamesrv` and `mqbroker` share: `-c`, `-n`, `-p`, `-m`, `-h`. Source: `ServerUtil.java`,
/// `BrokerStartup.java`, `NamesrvStartup.java`, RocketMQ 5.3.
public struct ServerOptions: Equatable, Sendable {
    /// `-c`: a properties file.
    public var configFile: String?
    /// `-n`: name servers, `a:9876;b:9876`.
    public var nameServers: String?
    /// `-p`: print all keys and end.
    public var printsAll = false
    /// `-m`: print the important keys and end.
    public var printsImportant = false
    /// `-h`: print the usage and end.
    public var wantsHelp = false

    /// An option that is not one, or that lacks its value; the description is one sentence.
    public struct UsageError: Error, Equatable, Sendable, CustomStringConvertible {
        /// The sentence.
        public let description: String
    }

    /// Reads the arguments behind the program's name.
    public init(_ arguments: [String]) throws(UsageError) {
        var rest = arguments[...]
        while let option = rest.popFirst() {
            switch option {
            case "-c", "--configFile": configFile = try Self.value(of: option, &rest)
            case "-n", "--namesrvAddr": nameServers = try Self.value(of: option, &rest)
            case "-p", "--printConfigItem": printsAll = true
            case "-m", "--printImportantConfig": printsImportant = true
            case "-h", "--help": wantsHelp = true
            default: throw UsageError(description: "unknown option \(option)")
            }
        }
    }

    private static func value(of option: String, _ rest: inout ArraySlice<String>) throws(UsageError) -> String {
        guard let value = rest.popFirst() else { throw UsageError(description: "\(option) wants a value") }
        return value
    }

    /// What `-h` prints.
    public static func usage(_ program: String) -> String {
        """
        usage: \(program) [-c <arg>] [-h] [-m] [-n <arg>] [-p]
         -c,--configFile <arg>        \(program == "mqbroker" ? "Broker" : "Name server") config properties file
         -h,--help                    Print help
         -m,--printImportantConfig    Print important config items
         -n,--namesrvAddr <arg>       Name server address list, eg: '192.168.0.1:9876;192.168.0.2:9876'
         -p,--printConfigItem         Print all config items
        """
    }
}
