/// Keys of TLS on the listening sockets. In RocketMQ they are properties of the Java machine (`-Dtls.server.mode=…`), or of
/// the file that `tls.config.file` names; here they stand in brokers' and name servers' files with everything else.
///
/// Source: `TlsSystemConfig.java`, `TlsHelper.java`, RocketMQ 5.3.
public enum TLSKeys {
    /// What connections may be.
    public enum Mode: String, ConfigChoice {
        case disabled, permissive, enforcing
    }

    /// Whether clients must show a certificate.
    public enum ClientCertificates: String, ConfigChoice {
        case none, optional, require
    }

    /// What connections may be.
    public static let mode = ConfigKey<Mode>.choice(
        "tls.server.mode", default: .permissive,
        "Whether connections are plain (disabled), TLS (enforcing), or either, by their first byte.")
    /// Whether a certificate is made on the spot.
    public static let testMode = ConfigKey<Bool>.flag(
        "tls.test.mode.enable", default: true,
        "Without tls.server.certPath TLS is served with a certificate made on the spot, which nobody can verify.")
    /// The certificate.
    public static let certificatePath = ConfigKey<String>.text(
        "tls.server.certPath", default: .fixed(""), "Certificate, PEM. Read anew when it changes.")
    /// Its key.
    public static let keyPath = ConfigKey<String>.text(
        "tls.server.keyPath", default: .fixed(""), "The certificate's key, PEM, not encrypted.")
    /// Whom to trust.
    public static let trustPath = ConfigKey<String>.text(
        "tls.server.trustCertPath", default: .fixed(""), "Certificates of those who vouch for clients, PEM.")
    /// Whether clients must show a certificate.
    public static let clientCertificates = ConfigKey<ClientCertificates>.choice(
        "tls.server.need.client.auth", default: .none, "Whether clients must show a certificate that is trusted.")

    static let all: [ConfigDeclaration] = [
        mode.declaration, testMode.declaration, certificatePath.declaration, keyPath.declaration,
        trustPath.declaration, clientCertificates.declaration,
    ]
}
