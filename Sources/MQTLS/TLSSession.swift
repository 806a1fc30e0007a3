import CSSL
public import MQBytes
public import MQTransport

/// One connection's TLS, over memory: what the socket brought goes in, what it shall take comes out. The connection's loop
/// only.
@safe public final class TLSSession: ConnectionCipher {
    private let context: TLSContext
    private let ssl: OpaquePointer
    /// Owned by `ssl`: what came from the peer, and what goes to it.
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    private let verification: TLSOptions.Verification

    /// Whether the handshake is over.
    public private(set) var isReady = false

    /// A session that has not begun.
    /// - Parameter host: who is asked for, as a name or an address: looked for in the peer's certificate. Clients only.
    public init(_ context: TLSContext, host: String? = nil) {
        self.context = context
        verification = context.options.verification
        guard let ssl = unsafe SSL_new(context.pointer), let incoming = unsafe BIO_new(BIO_s_mem()),
            let outgoing = unsafe BIO_new(BIO_s_mem())
        else { preconditionFailure("no memory for a TLS session") }
        (unsafe self.ssl, unsafe self.incoming, unsafe self.outgoing) = unsafe (ssl, incoming, outgoing)
        unsafe SSL_set_bio(ssl, incoming, outgoing)
        if context.isServer {
            unsafe SSL_set_accept_state(ssl)
        } else {
            unsafe SSL_set_connect_state(ssl)
        }
        if let host { expect(host) }
    }

    deinit { unsafe SSL_free(ssl) }

    private func expect(_ host: String) {
        let isAddress = host.utf8.allSatisfy { (48...58).contains($0) || $0 == 46 } || host.contains(":")
        if !isAddress { unsafe _ = mq_ssl_set_server_name(ssl, host) }
        guard verification == .full else { return }
        let parameters = unsafe SSL_get0_param(ssl)
        if isAddress {
            unsafe _ = X509_VERIFY_PARAM_set1_ip_asc(parameters, host)
        } else {
            unsafe _ = X509_VERIFY_PARAM_set1_host(parameters, host, host.utf8.count)
        }
    }

    /// A client speaks first.
    public func begin(into output: inout ByteBuffer) throws(CipherError) {
        guard !context.isServer else { return }  // the client speaks first
        try shakeHands()
        takeOutgoing(into: &output)
    }

    /// Takes records apart; see ``ConnectionCipher``.
    public func open(
        _ sealed: Span<UInt8>, into plain: inout ByteBuffer, answer output: inout ByteBuffer
    ) throws(CipherError) {
        defer { takeOutgoing(into: &output) }  // an alert tells the peer why
        // SAFETY: the bytes are lent for the call; a memory BIO takes all of them.
        let taken = unsafe sealed.withUnsafeBufferPointer { bytes in
            unsafe BIO_write(incoming, bytes.baseAddress, Int32(bytes.count))
        }
        precondition(Int(taken) == sealed.count, "BIO_write took \(taken) of \(sealed.count)")
        if !isReady { try shakeHands() }
        guard isReady else { return }
        while true {
            var result: Int32 = 0
            // SAFETY: the closure fills at most the room it is lent.
            unsafe plain.appendUnsafely(atLeast: 16 << 10) { room in
                result = unsafe SSL_read(ssl, room.baseAddress, Int32(clamping: room.count))
                return max(0, Int(result))
            }
            if result > 0 { continue }
            switch unsafe SSL_get_error(ssl, result) {
            case SSL_ERROR_WANT_READ: return
            case SSL_ERROR_ZERO_RETURN: throw CipherError("the peer ended TLS")
            default: throw CipherError("TLS: \(TLSContext.lastError)")
            }
        }
    }

    /// Makes records; see ``ConnectionCipher``.
    public func seal(_ plain: Span<UInt8>, into output: inout ByteBuffer) throws(CipherError) {
        precondition(isReady, "sealed before the handshake")
        var start = 0
        while start < plain.count {
            // SAFETY: the bytes are lent for the call.
            let written = unsafe plain.extracting(start..<plain.count).withUnsafeBufferPointer { bytes in
                unsafe SSL_write(ssl, bytes.baseAddress, Int32(clamping: min(bytes.count, 1 << 20)))
            }
            guard written > 0 else { throw CipherError("TLS: \(TLSContext.lastError)") }
            start += Int(written)
        }
        takeOutgoing(into: &output)
    }

    private func shakeHands() throws(CipherError) {
        ERR_clear_error()
        let result = unsafe SSL_do_handshake(ssl)
        if result == 1 {
            isReady = true
            return
        }
        guard unsafe SSL_get_error(ssl, result) != SSL_ERROR_WANT_READ else { return }
        let verified = unsafe SSL_get_verify_result(ssl)
        if verified != Int(X509_V_OK), let text = unsafe X509_verify_cert_error_string(verified) {
            ERR_clear_error()
            throw CipherError("TLS: the peer's certificate is not trusted: \(unsafe String(cString: text))")
        }
        throw CipherError("TLS handshake: \(TLSContext.lastError)")
    }

    private func takeOutgoing(into output: inout ByteBuffer) {
        while true {
            let waiting = unsafe mq_bio_pending(outgoing)
            guard waiting > 0 else { return }
            // SAFETY: the closure fills at most the room it is lent.
            unsafe output.appendUnsafely(atLeast: waiting) { room in
                max(0, Int(unsafe BIO_read(outgoing, room.baseAddress, Int32(clamping: room.count))))
            }
        }
    }
}
