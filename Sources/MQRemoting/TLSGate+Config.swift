public import MQConfig
public import MQTLS

extension TLSGate {
    /// The door that a broker's or name server's file describes.
    /// - Throws: which file cannot be read, or what is missing; the sentence names the key.
    public convenience init(_ values: ConfigValues) throws(TLSError) {
        var options = TLSOptions()
        func path(_ key: ConfigKey<String>) -> String? { values[key].isEmpty ? nil : values[key] }
        options.certificatePath = path(TLSKeys.certificatePath)
        options.keyPath = path(TLSKeys.keyPath)
        options.trustPath = path(TLSKeys.trustPath)
        let mode: TLSGate.Mode =
            switch values[TLSKeys.mode] {
            case .disabled: .disabled
            case .permissive: .permissive
            case .enforcing: .enforcing
            }
        let clients: TLSContext.ClientCertificates =
            switch values[TLSKeys.clientCertificates] {
            case .none: .none
            case .optional: .optional
            case .require: .require
            }
        if mode != .disabled, options.certificatePath == nil, !values[TLSKeys.testMode] {
            throw TLSError("tls.test.mode.enable=false needs tls.server.certPath and tls.server.keyPath")
        }
        try self.init(mode, options, clients: clients)
    }
}
