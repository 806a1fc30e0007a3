public import MQTLS
import MQSystem

/// What producers, consumers and tools share: where the name servers are and what the client is called.
public struct ClientOptions: Sendable {
    /// Name servers, `host:port`, in the order they are tried.
    public var nameServers: [String]
    /// The address in the client id; `nil` takes this machine's.
    public var clientIP: String?
    /// The part of the client id behind `@`; `nil` takes process id and time, so that no two clients share an id.
    public var instanceName: String?
    /// Topics and groups are those of this namespace: brokers know them as `namespace%name`, the application without it.
    public var namespace: String?
    /// Speaks TLS to name servers and brokers; `nil` speaks plainly.
    public var tls: TLSOptions?
    /// The account whose rights the client has; `nil` where there is no access control.
    public var credentials: Credentials?
    /// How long a question to a name server or a small one to a broker may take.
    public var requestTimeout: Duration = .seconds(3)
    /// How often routes of the topics in use are asked for again.
    public var routeRefreshInterval: Duration = .seconds(30)
    /// How often brokers hear that the client lives.
    public var heartbeatInterval: Duration = .seconds(30)

    /// Options with RocketMQ's defaults.
    /// - Parameter nameServers: `a:9876;b:9876`; `nil` takes the environment's `NAMESRV_ADDR`.
    public init(nameServers: String? = nil) {
        let text = nameServers ?? ThisProcess.environment("NAMESRV_ADDR") ?? ""
        self.nameServers = Self.addresses(in: text)
    }

    /// The addresses of a list as RocketMQ writes it, separated by `;` (a comma is taken too).
    public static func addresses(in text: String) -> [String] {
        text.split { $0 == ";" || $0 == "," }.map { piece in
            String(piece.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }.filter { !$0.isEmpty }
    }
}

extension Duration {
    /// Whole milliseconds, rounded down; at most some 300 years.
    var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        let limit: Int64 = 9_000_000_000
        return min(max(seconds, -limit), limit) * 1000 + attoseconds / 1_000_000_000_000_000
    }
}
