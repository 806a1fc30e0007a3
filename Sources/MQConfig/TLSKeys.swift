/// Keys of TLS. In RocketMQ they are properties of the Java machine (`-Dtls.server.mode=…`), or of the file that
/// `tls.config.file` names; here they stand in brokers' and name servers' files with everything else, or in that file. Passwords
/// stand in that file only: what is in a server's own file it tells to whoever asks for its configuration.
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
        "tls.server.keyPath", default: .fixed(""),
        "The certificate's key, PEM. If it is encrypted, tls.server.keyPassword in the file of tls.config.file opens it."
    )
    /// Whom to trust.
    public static let trustPath = ConfigKey<String>.text(
        "tls.server.trustCertPath", default: .fixed(""), "Certificates of those who vouch for clients, PEM.")
    /// Whether clients must show a certificate.
    public static let clientCertificates = ConfigKey<ClientCertificates>.choice(
        "tls.server.need.client.auth", default: .none, "Whether clients must show a certificate that is trusted.")

    /// A file with these keys and the passwords.
    public static let configFile = ConfigKey<String>.text(
        "tls.config.file", default: .fixed("/etc/rocketmq/tls.properties"),
        "A file of properties whose tls.server.*, tls.client.* and tls.test.mode.enable count instead of those here. It alone may "
            + "hold tls.server.keyPassword and tls.client.keyPassword. Without one at the default's place there is none."
    )
    /// Whether a broker speaks TLS to name servers.
    public static let isOutgoing = ConfigKey<Bool>.flag(
        "tls.enable", default: false,
        "Whether the broker speaks TLS to name servers; with tls.server.mode=enforcing it does anyway.")
    /// The certificate that is shown to servers.
    public static let clientCertificatePath = ConfigKey<String>.text(
        "tls.client.certPath", default: .fixed(""), "The certificate that the broker shows to name servers, PEM.")
    /// Its key.
    public static let clientKeyPath = ConfigKey<String>.text(
        "tls.client.keyPath", default: .fixed(""),
        "Its key, PEM. If it is encrypted, tls.client.keyPassword in the file of tls.config.file opens it.")
    /// Whether servers are verified.
    public static let verifiesServers = ConfigKey<Bool>.flag(
        "tls.client.authServer", default: false,
        "Whether name servers' certificates must be from somebody trusted. Names in them are not looked at.")
    /// Whom to trust then.
    public static let clientTrustPath = ConfigKey<String>.text(
        "tls.client.trustCertPath", default: .fixed(""),
        "Certificates of those who vouch for name servers, PEM; empty: those the system trusts.")

    static let server: [ConfigDeclaration] = [
        mode.declaration, testMode.declaration, certificatePath.declaration, keyPath.declaration,
        trustPath.declaration, clientCertificates.declaration, configFile.declaration,
    ]
    static let broker: [ConfigDeclaration] =
        server + [
            isOutgoing.declaration, clientCertificatePath.declaration, clientKeyPath.declaration,
            verifiesServers.declaration, clientTrustPath.declaration,
        ]

    /// Keys of the file that ``configFile`` names, but for those that Java reads from the machine's properties alone.
    public static let fileOnly: Set<String> = ["tls.server.keyPassword", "tls.client.keyPassword"]
    /// What to say of them in a server's own file.
    static let misplaced: [String: String] = Dictionary(
        uniqueKeysWithValues: fileOnly.map {
            ($0, "it belongs into the file that tls.config.file names; this one is told to whoever asks")
        })
}
