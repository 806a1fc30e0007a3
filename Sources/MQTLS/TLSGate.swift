import MQBase
import MQSystem
public import MQTransport

/// A server's door: tells TLS from plain connections by their first byte, as RocketMQ's servers do on every port.
///
/// Source: `NettyRemotingServer.TlsModeHandler`, `FileWatchService.java`, RocketMQ 5.3.
public final class TLSGate: ConnectionGate {
    /// `tls.server.mode`.
    public enum Mode: String, Sendable, CaseIterable {
        /// Plain only.
        case disabled
        /// Either.
        case permissive
        /// TLS only.
        case enforcing
    }

    /// A TLS record of the kind that a handshake begins with; a plain frame would be over 352 MiB long.
    private static let handshakeByte: UInt8 = 0x16
    /// How often files are looked at, at most, and only when somebody comes.
    private static let watchMilliseconds: Int64 = 500

    private struct State {
        var context: TLSContext?
        var seen: [FileMark]
        var lookedAt: Instant
    }

    /// What a file looked like: another one means that it is to be read again.
    private struct FileMark: Equatable {
        var modified: Int64
        var byteCount: Int
    }

    private let mode: Mode
    private let options: TLSOptions
    private let clients: TLSContext.ClientCertificates
    private let state: Lock<State>

    /// - Throws: which file cannot be read, or does not hold what it should. Without a certificate the first TLS
    ///   connection gets one made on the spot.
    public init(
        _ mode: Mode, _ options: TLSOptions, clients: TLSContext.ClientCertificates = .none
    ) throws(TLSError) {
        self.mode = mode
        self.options = options
        self.clients = clients
        let hasFiles = mode != .disabled && options.certificatePath != nil
        let context: TLSContext? = hasFiles ? try .server(options, clients: clients) : nil
        state = Lock(State(context: context, seen: Self.marks(options), lookedAt: SystemClock.now()))
    }

    /// Plain, TLS, or refused, as the mode says.
    public func admit(_ firstByte: UInt8) -> Admission {
        guard firstByte == Self.handshakeByte else {
            return mode == .enforcing ? .refused("not TLS, which tls.server.mode=enforcing demands") : .plain
        }
        guard mode != .disabled else { return .refused("TLS, which tls.server.mode=disabled refuses") }
        do throws(TLSError) {
            return .sealed(TLSSession(try current()))
        } catch {
            return .refused("TLS: \(error)")
        }
    }

    /// The certificate as it is now: read anew when its files have changed and hold a whole one, else as it was.
    private func current() throws(TLSError) -> TLSContext {
        let now = SystemClock.now()
        let (context, seen, isDue) = state.withLock { state in
            let isDue = now.milliseconds(since: state.lookedAt) >= Self.watchMilliseconds
            if isDue { state.lookedAt = now }
            return (state.context, state.seen, isDue)
        }
        if let context, !isDue { return context }
        let marks = Self.marks(options)
        if let context, marks == seen { return context }
        do throws(TLSError) {
            let fresh = try TLSContext.server(options, clients: clients)
            state.withLock { state in
                state.context = fresh
                state.seen = marks
            }
            return fresh
        } catch {
            if let context { return context }  // half-written: the next look will tell
            throw error
        }
    }

    private static func marks(_ options: TLSOptions) -> [FileMark] {
        [options.certificatePath, options.keyPath, options.trustPath].compactMap { $0 }.map { path in
            let status = FileStatus(path)
            return FileMark(modified: status?.modifiedNanoseconds ?? 0, byteCount: status?.byteCount ?? -1)
        }
    }
}
