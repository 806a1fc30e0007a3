public import MQConfig
public import MQProtocol
import MQRemoting
import MQSystem
import MQTLS
import MQTransport
import Synchronization

/// The present configuration, swapped whole when an administrator changes a key. Any thread.
public final class LiveConfig: Sendable {
    private struct State {
        var values: ConfigValues
        var config: BrokerConfig
        var version: DataVersion
    }

    private let physicalMemory: UInt64
    private let clock: WallClock
    private let state: Lock<State>
    // Written after the state, so that who sees the new number sees the new configuration under the lock.
    private let changes = Atomic<UInt64>(1)

    /// Begins with what `values` spell.
    /// - Throws: ``BrokerConfigError``: print it and do not start.
    public init(
        _ values: ConfigValues, physicalMemory: UInt64? = nil, clock: WallClock = .system
    ) throws(BrokerConfigError) {
        let physicalMemory = physicalMemory ?? MemoryLimit.current
        self.physicalMemory = physicalMemory
        self.clock = clock
        let config = try BrokerConfig(values, physicalMemory: physicalMemory)
        state = Lock(State(values: values, config: config, version: DataVersion(timestamp: clock.now)))
    }

    /// The configuration as of now.
    public var current: BrokerConfig { state.withLock { $0.config } }

    /// What may wait at present, how many and how long.
    var flow: FlowSettings { state.withLock { $0.config.flow } }

    /// Moves with every change: whoever keeps something of ``current`` asks again when it has; see ``ConfigWatch``.
    var changeCount: UInt64 { changes.load(ordering: .acquiring) }

    /// The door to the listening sockets.
    /// - Throws: what of TLS does not work.
    func gate() throws(TLSError) -> TLSGate { try TLSGate(state.withLock { $0.values }) }

    /// What connections to name servers go behind; `nil`: nothing.
    /// - Throws: what of TLS does not work.
    func outgoingCipher() throws(TLSError) -> (@Sendable (SocketAddress) -> any ConnectionCipher)? {
        try TLSSettings(state.withLock { $0.values }).outgoingCipher()
    }

    /// How often it has changed; answered with code 26.
    public var version: DataVersion { state.withLock { $0.version } }

    /// All keys as `key=value` lines: answer of code 26.
    public var listing: String { state.withLock { $0.values }.listing() }

    /// The file it was read from, if there is one.
    var filePath: String? {
        let path = state.withLock { $0.values.text("brokerConfigPath") } ?? ""
        return path.isEmpty ? nil : path
    }

    /// Corrects what is known only when the doors are open, such as the port that was chosen. Before anybody is told.
    public func adjust(_ body: (inout BrokerConfig) -> Void) {
        state.withLock { body(&$0.config) }
        changes.add(1, ordering: .releasing)
    }

    /// Takes the body of code 25, all of it or nothing.
    /// - Returns: what has changed.
    /// - Throws: `noPermission` for keys that keep the configuration safe; `systemError` for what is not allowed.
    func update(_ text: String) throws(Refusal) -> [ConfigValues.Change] {
        guard let properties = try? PropertiesText.parse(text) else {
            throw Refusal(.systemError, "string2Properties error")
        }
        let blackList = state.withLock { $0.values[BrokerKeys.configBlackList] }.split(separator: ";")
        for property in properties
        where Self.neverUpdated.contains(property.key) || blackList.contains(property.key[...]) {
            throw .blackList
        }
        do {
            var values = state.withLock { $0.values }
            let changes = try values.update(text)
            guard !changes.isEmpty else { return [] }
            var config = try BrokerConfig(values, physicalMemory: physicalMemory)
            state.withLock { state in
                config.identity = state.config.identity
                config.limits = state.config.limits
                state.values = values
                state.config = config
                state.version.advance(now: clock.now)
            }
            self.changes.add(1, ordering: .releasing)
            return changes
        } catch {
            throw Refusal(.systemError, "\(error)")
        }
    }

    /// The list itself and the file, whatever a file makes of the list.
    private static let neverUpdated: Set<String> = ["configBlackList", "brokerConfigPath"]
}

/// Says once after each change that the configuration is another. One atomic load a question; for one thread.
struct ConfigWatch {
    let config: LiveConfig
    private var seen: UInt64

    /// Nothing has changed yet.
    init(_ config: LiveConfig) {
        self.config = config
        seen = config.changeCount
    }

    /// Whether it has changed since the last question.
    mutating func hasChanged() -> Bool {
        let count = config.changeCount
        guard count != seen else { return false }
        seen = count
        return true
    }
}
