/// A certificate and its key, and whom to trust. All files are PEM.
public struct TLSOptions: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
    /// How the peer is looked at.
    public enum Verification: Sendable, Equatable {
        /// Its certificate is from somebody trusted, and for the name or address that was asked for.
        case full
        /// Its certificate is from somebody trusted: for clusters whose brokers are reached by addresses that their
        /// certificates do not name.
        case chainOnly
        /// Not at all: whoever is in between can read and change everything.
        case none
    }

    /// Our certificate, those that vouch for it behind it.
    public var certificatePath: String?
    /// Its key, perhaps encrypted.
    public var keyPath: String?
    /// The key's password, if it is encrypted.
    public var keyPassword: String?
    /// Certificates of those who may vouch for peers; `nil` takes the system's.
    public var trustPath: String?
    /// How the peer is looked at.
    public var verification = Verification.full

    /// No certificate; peers are verified against the system's trust.
    public init() {}

    /// Without the password: descriptions end up in logs.
    public var description: String {
        "TLSOptions(certificate: \(certificatePath ?? "none"), trust: \(trustPath ?? "system"), \(verification))"
    }

    /// As ``description``.
    public var customMirror: Mirror {
        Mirror(
            self,
            children: [
                "certificatePath": certificatePath ?? "none", "trustPath": trustPath ?? "system",
                "verification": "\(verification)",
            ])
    }
}

/// Why TLS could not be set up: which file, and what the library says of it.
public struct TLSError: Error, Equatable, Sendable, CustomStringConvertible {
    /// One sentence.
    public let description: String

    /// - Parameter description: one sentence.
    public init(_ description: String) { self.description = description }
}
