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
    /// `--enable-proxy`, of `mqbroker` only: a proxy for gRPC clients in the same process.
    public var wantsProxy = false

    /// An option that is not one, or that lacks its value; the description is one sentence.
    public struct UsageError: Error, Equatable, Sendable, CustomStringConvertible {
        /// The sentence.
        public let description: String
    }

    /// Reads the arguments behind the program's name, spelled as RocketMQ's commands take them: `-n a:1`, `-na:1`,
    /// `-n=a:1`, `--namesrvAddr a:1`, `--namesrvAddr=a:1`, one dash for the long names too.
    /// - Parameter takesProxy: whether `--enable-proxy` is an option.
    public init(_ arguments: [String], takesProxy: Bool = false) throws(UsageError) {
        var rest = arguments[...]
        while let word = rest.popFirst() {
            let (option, attached) = Self.split(word)
            func value() throws(UsageError) -> String {
                guard let value = attached ?? rest.popFirst() else {
                    throw UsageError(description: "\(word) wants a value")
                }
                return value
            }
            switch (option, attached) {
            case ("c", _), ("configFile", _): configFile = try value()
            case ("n", _), ("namesrvAddr", _): nameServers = try value()
            case ("p", nil), ("printConfigItem", nil): printsAll = true
            case ("m", nil), ("printImportantConfig", nil): printsImportant = true
            case ("h", nil), ("help", nil): wantsHelp = true
            case ("enable-proxy", nil) where takesProxy: wantsProxy = true
            default: throw UsageError(description: "unknown option \(word)")
            }
        }
    }

    private static let longNames: Set<String> = [
        "configFile", "namesrvAddr", "printConfigItem", "printImportantConfig", "help", "enable-proxy",
    ]

    /// An option's name and the value that is written onto it; an empty name for a word that is no option.
    private static func split(_ word: String) -> (name: String, attached: String?) {
        guard word.hasPrefix("-") else { return ("", nil) }
        let text = word.dropFirst(word.hasPrefix("--") ? 2 : 1)
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        if word.hasPrefix("--") || longNames.contains(parts[0]) || parts[0].count < 2 {
            return (parts[0], parts.count > 1 ? parts[1] : nil)
        }
        return (String(text.prefix(1)), String(text.dropFirst()))
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
