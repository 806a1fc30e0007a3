public import MQBytes

/// What stands between a connection's bytes and its socket's: TLS. The connection's loop only.
public protocol ConnectionCipher: AnyObject {
    /// Whether ``seal(_:into:)`` may be called.
    var isReady: Bool { get }
    /// Appends what goes to the peer before anything came from it.
    func begin(into output: inout ByteBuffer) throws(CipherError)
    /// Takes what the socket brought; appends what it says, and what must go back at once.
    func open(
        _ sealed: Span<UInt8>, into plain: inout ByteBuffer, answer output: inout ByteBuffer) throws(CipherError)
    /// Appends what the socket shall take for `plain`.
    /// - Precondition: ``isReady``.
    func seal(_ plain: Span<UInt8>, into output: inout ByteBuffer) throws(CipherError)
}

/// Why a cipher cannot go on: the connection is closed with it.
public struct CipherError: Error, Equatable, Sendable, CustomStringConvertible {
    /// One sentence.
    public let description: String

    /// - Parameter description: one sentence.
    public init(_ description: String) { self.description = description }
}

/// What a listener's connections begin with.
public enum Admission {
    /// As it is.
    case plain
    /// Behind a cipher.
    case sealed(any ConnectionCipher)
    /// Not at all, for the reason given.
    case refused(String)
}

/// Decides by a connection's first byte. Any of the listener's loops.
public protocol ConnectionGate: AnyObject, Sendable {
    func admit(_ firstByte: UInt8) -> Admission
}
