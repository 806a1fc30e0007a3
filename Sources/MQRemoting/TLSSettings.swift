public import MQConfig
import MQSystem
public import MQTLS
public import MQTransport

/// TLS as a server's file describes it, and the file that its `tls.config.file` names.
public struct TLSSettings: Sendable {
    /// What connections to the server may be.
    public private(set) var mode = TLSGate.Mode.permissive
    /// Its certificate, and whom it trusts.
    public private(set) var server = TLSOptions()
    /// Whether clients show certificates.
    public private(set) var clients = TLSContext.ClientCertificates.none
    /// How other servers are talked to; `nil`: plainly. Of a broker only.
    public private(set) var outgoing: TLSOptions?

    private static let fileByteCountMax = 64 << 10

    /// Reads the file that `values` name, if it is there. Blocks on the disk.
    /// - Throws: which file cannot be read, or what is wrong with it or missing; the sentence names the key.
    public init(_ values: ConfigValues) throws(TLSError) {
        var values = values
        let passwords = try Self.merge(&values)
        func path(_ key: ConfigKey<String>) -> String? { values[key].isEmpty ? nil : values[key] }
        server.certificatePath = path(TLSKeys.certificatePath)
        server.keyPath = path(TLSKeys.keyPath)
        server.keyPassword = passwords["tls.server.keyPassword"]
        server.trustPath = path(TLSKeys.trustPath)
        mode =
            switch values[TLSKeys.mode] {
            case .disabled: .disabled
            case .permissive: .permissive
            case .enforcing: .enforcing
            }
        clients =
            switch values[TLSKeys.clientCertificates] {
            case .none: .none
            case .optional: .optional
            case .require: .require
            }
        if mode != .disabled, server.certificatePath == nil, !values[TLSKeys.testMode] {
            throw TLSError("tls.test.mode.enable=false needs tls.server.certPath and tls.server.keyPath")
        }
        let isBroker = values.text(TLSKeys.isOutgoing.declaration.name) != nil
        guard isBroker, values[TLSKeys.isOutgoing] || mode == .enforcing else { return }
        var outgoing = TLSOptions()
        outgoing.certificatePath = path(TLSKeys.clientCertificatePath)
        outgoing.keyPath = path(TLSKeys.clientKeyPath)
        outgoing.keyPassword = passwords["tls.client.keyPassword"]
        outgoing.trustPath = path(TLSKeys.clientTrustPath)
        // Java looks at no names; and trusts everybody while tls.test.mode.enable is on, which this does not.
        outgoing.verification = values[TLSKeys.verifiesServers] ? .chainOnly : .none
        self.outgoing = outgoing
    }

    /// Puts what the file says into `values`.
    /// - Returns: the passwords.
    private static func merge(_ values: inout ConfigValues) throws(TLSError) -> [String: String] {
        let name = TLSKeys.configFile.declaration.name
        let path = values[TLSKeys.configFile]
        guard !path.isEmpty else { return [:] }
        let bytes: [UInt8]?
        do throws(SystemError) {
            bytes = try File.contents(of: path, limit: fileByteCountMax)
        } catch {
            throw TLSError("\(name): cannot \(error)")
        }
        guard let bytes else {
            if values.isChanged(name) { throw TLSError("\(name): there is no file \(path)") }
            return [:]
        }
        let properties: [Property]
        do throws(PropertiesError) {
            properties = try PropertiesText.parse(String(decoding: bytes, as: UTF8.self))
        } catch {
            throw TLSError(ConfigError.syntax(fileName: path, error).description)
        }
        var passwords: [String: String] = [:]
        for property in properties {
            if TLSKeys.fileOnly.contains(property.key) { passwords[property.key] = property.value }
            guard isOfFile(property.key), values.text(property.key) != nil else { continue }  // as Java: passed over
            do throws(ConfigError) {
                try values.set(property.key, to: property.value)
            } catch {
                throw TLSError("\(path):\(property.line): \(error)")
            }
        }
        return passwords
    }

    /// Java takes the mode and `tls.enable` from elsewhere.
    private static func isOfFile(_ key: String) -> Bool {
        key != TLSKeys.mode.declaration.name
            && (key.hasPrefix("tls.server.") || key.hasPrefix("tls.client.")
                || key == TLSKeys.testMode.declaration.name)
    }

    /// What connections to other servers go behind; `nil`: nothing. For ``RemotingClient``.
    /// - Throws: which file cannot be read, or does not hold what it should.
    public func outgoingCipher() throws(TLSError) -> (@Sendable (SocketAddress) -> any ConnectionCipher)? {
        guard let outgoing else { return nil }
        let context = try TLSContext.client(outgoing)
        return { TLSSession(context, host: $0.host) }
    }
}

extension TLSGate {
    /// The door that a broker's or name server's file describes.
    /// - Throws: which file cannot be read, or what is missing; the sentence names the key.
    public convenience init(_ values: ConfigValues) throws(TLSError) {
        let settings = try TLSSettings(values)
        try self.init(settings.mode, settings.server, clients: settings.clients)
    }
}
