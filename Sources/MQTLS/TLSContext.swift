import CSSL
import MQSystem

/// What the connections of one client, or of one server, share: certificate, key and trust, read.
@safe public final class TLSContext: @unchecked Sendable {
    // @unchecked: the context is not changed after its making; the library counts its users with atomics.
    let pointer: OpaquePointer
    let options: TLSOptions
    let isServer: Bool

    private init(_ options: TLSOptions, isServer: Bool) throws(TLSError) {
        self.options = options
        self.isServer = isServer
        let method = unsafe isServer ? TLS_server_method() : TLS_client_method()
        guard let pointer = unsafe SSL_CTX_new(method) else { throw TLSError("no TLS context: \(Self.lastError)") }
        unsafe self.pointer = pointer
        unsafe mq_ssl_at_least_1_2(pointer)
        unsafe mq_ssl_modes(pointer)
    }

    deinit { unsafe SSL_CTX_free(pointer) }

    /// What clients need.
    /// - Throws: which file cannot be read, or does not hold what it should.
    public static func client(_ options: TLSOptions) throws(TLSError) -> TLSContext {
        let context = try TLSContext(options, isServer: false)
        try context.readCertificate()
        guard options.verification != .none else { return context }
        unsafe SSL_CTX_set_verify(context.pointer, SSL_VERIFY_PEER, nil)
        try context.readTrust()
        return context
    }

    /// Whether a server asks clients for a certificate. Source: `TlsHelper.java`, `ClientAuth`, RocketMQ 5.3.
    public enum ClientCertificates: String, Sendable {
        /// No.
        case none
        /// One that is shown must be trusted.
        case optional
        /// One must be shown.
        case require
    }

    /// What servers need. Without a certificate one is made on the spot, which nobody can verify.
    /// - Throws: which file cannot be read, or does not hold what it should.
    public static func server(
        _ options: TLSOptions, clients: ClientCertificates = .none
    ) throws(TLSError) -> TLSContext {
        let context = try TLSContext(options, isServer: true)
        if options.certificatePath == nil {
            guard unsafe mq_ssl_use_self_signed(context.pointer) == 1 else {
                throw TLSError("no certificate can be made: \(lastError)")
            }
        }
        try context.readCertificate()
        guard clients != .none else { return context }
        let mode = clients == .require ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_PEER
        unsafe SSL_CTX_set_verify(context.pointer, mode, nil)
        try context.readTrust()
        return context
    }

    private func readCertificate() throws(TLSError) {
        guard let certificate = options.certificatePath else {
            guard options.keyPath == nil else { throw TLSError("there is a TLS key but no certificate") }
            return
        }
        guard let key = options.keyPath else {
            throw TLSError("there is a TLS certificate, \(certificate), but no key")
        }
        guard unsafe SSL_CTX_use_certificate_chain_file(pointer, certificate) == 1 else {
            throw TLSError("\(certificate) is no TLS certificate: \(Self.lastError)")
        }
        guard unsafe mq_ssl_use_key(pointer, key, options.keyPassword ?? "") == 1 else {
            throw TLSError("\(key) is no key of \(certificate): \(Self.lastError)")
        }
    }

    private func readTrust() throws(TLSError) {
        guard let trust = options.trustPath else {
            guard unsafe SSL_CTX_set_default_verify_paths(pointer) == 1 else {
                throw TLSError("the system's certificates cannot be read: \(Self.lastError)")
            }
            return
        }
        guard unsafe SSL_CTX_load_verify_locations(pointer, trust, nil) == 1 else {
            throw TLSError("\(trust) holds no certificates to trust: \(Self.lastError)")
        }
    }

    /// What the library says of its last failure on this thread; forgets it.
    static var lastError: String {
        let code = ERR_get_error()
        ERR_clear_error()
        guard code != 0 else { return "no reason given" }
        var text = [CChar](repeating: 0, count: 256)
        // SAFETY: the text has 256 bytes, and is ended with a zero.
        unsafe text.withUnsafeMutableBufferPointer { unsafe ERR_error_string_n(code, $0.baseAddress, $0.count) }
        let whole = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return whole.split(separator: ":").last.map(String.init) ?? whole
    }
}
