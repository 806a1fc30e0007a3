import Glibc
public import MQBase
public import MQBytes
public import MQSystem

/// Who handles a connection's bytes. All calls come from the connection's loop.
public protocol ConnectionHandler: AnyObject {
    /// Bytes arrived. They are the caller's; copy what must stay.
    /// - Returns: how many of them are done with. The rest comes again with what arrives next.
    func received(_ bytes: Span<UInt8>, on connection: Connection) -> Int
    /// The connection is gone; called once.
    func closed(_ connection: Connection, because reason: CloseReason)
}

/// Why a connection ended.
public enum CloseReason: Equatable, Sendable, CustomStringConvertible {
    /// The peer closed it.
    case peer
    /// We closed it, for the reason given.
    case local(String)
    /// The system reported an error.
    case failed(SystemError)

    /// For the log.
    public var description: String {
        switch self {
        case .peer: "closed by peer"
        case .local(let reason): reason
        case .failed(let error): error.description
        }
    }
}

/// A connected socket: reads for its handler, collects output and writes it once per wake-up. Loop only.
@safe public final class Connection: EventSource, @unchecked Sendable {
    // @unchecked: touched only by its loop's thread; others reach it through `loop.execute`.

    /// Most bytes taken from one connection in one wake-up, so that one peer cannot starve the others.
    static let readByteCountMax = 256 << 10
    /// A connection whose peer does not read may hold this much output before it is closed.
    private static let outputByteCountMax = 128 << 20

    /// The loop that owns it.
    public let loop: EventLoop
    /// The other end.
    public let peer: SocketAddress
    /// Unique in this process.
    public let id: UInt64
    /// When bytes last went either way.
    public private(set) var lastActivity: Instant
    /// Whether it is still open.
    public private(set) var isOpen = true

    private let descriptor: Int32
    private var slot = -1
    private var handler: (any ConnectionHandler)?
    private var input = ByteBuffer()
    private var output = ByteBuffer()
    private var pieces: [Piece] = []
    private var pieceByteCount = 0
    private var ownedInPieces = 0
    private var isDirty = false
    private var waitsForRoom = false
    private var closesWhenWritten: String?

    /// Output that must stay in order: bytes of `output` (no owner), or bytes of a mapping that are sent without a copy.
    @safe private struct Piece {
        /// Keeps the bytes mapped until they are written.
        let owner: Mapping?
        /// Where the mapping's bytes lie; kept beside the owner, so that writing does not touch its reference count.
        var address: UnsafeRawPointer?
        var byteCount: Int
    }

    private static let nextID = Counter()

    init(loop: EventLoop, descriptor: Int32, peer: SocketAddress) {
        self.loop = loop
        self.descriptor = descriptor
        self.peer = peer
        id = Self.nextID.next()
        lastActivity = loop.now
    }

    deinit { precondition(!isOpen, "an open connection was dropped") }

    /// Starts reading for `handler`.
    func begin(_ handler: any ConnectionHandler) {
        self.handler = handler
        do throws(SystemError) {
            slot = try loop.register(self, descriptor, events: [.readable, .peerClosed])
        } catch {
            finish(.failed(error))
        }
    }

    /// The address of our end, as the peer sees it.
    public var local: SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe getsockname(descriptor, address, &length) == 0 ? unsafe SocketAddress(address) : nil
            }
        }
    }

    // MARK: - Input

    func ready(_ events: Poller.Events) {
        if events.contains(.writable) { flush() }
        if isOpen, !events.isDisjoint(with: [.readable, .peerClosed, .failed]) { read() }
    }

    private func read() {
        guard let handler else { return }
        // Small leftovers go in front of the loop's buffer; a large frame grows in a buffer of its own.
        var buffer = ByteBuffer()
        if input.count > 32 << 10 {
            swap(&buffer, &input)
            guard fill(&buffer) else { return swap(&buffer, &input) }
            buffer.removeFirst(handler.received(buffer.span, on: self))
            buffer.trim(to: 64 << 10)
            if isOpen { swap(&buffer, &input) }
            return
        }
        swap(&buffer, &loop.readBuffer)
        buffer.removeAll()
        buffer.append(input.span)
        if fill(&buffer) {
            let consumed = handler.received(buffer.span, on: self)
            input.removeAll()
            if isOpen, consumed < buffer.count {
                input.append(buffer.span.extracting(consumed..<buffer.count))
            } else {
                input.trim(to: 4 << 10)
            }
        }
        swap(&buffer, &loop.readBuffer)
    }

    /// Reads once into `buffer`. `false` if there was nothing, or if the connection ended.
    private func fill(_ buffer: inout ByteBuffer) -> Bool {
        var result = 0
        // SAFETY: the closure fills at most the room it is lent.
        unsafe buffer.appendUnsafely(atLeast: 16 << 10) { room in
            let byteCount = min(room.count, Self.readByteCountMax)
            result = unsafe recv(descriptor, room.baseAddress, byteCount, 0)
            return max(0, result)
        }
        if result > 0 {
            lastActivity = loop.now
            return true
        }
        if result == 0 {
            finish(.peer)
        } else if errno != EAGAIN && errno != EINTR {
            finish(.failed(.last("recv", peer.description)))
        }
        return false
    }

    // MARK: - Output

    /// Bytes waiting to be written.
    public var pendingByteCount: Int { output.count + pieceByteCount - ownedInPieces }

    /// Lets `body` append to the output, which is written at the end of the wake-up.
    @inlinable public func send(_ body: (inout ByteBuffer) -> Void) {
        guard isOpen else { return }
        withOutput(body)
    }

    @usableFromInline func withOutput(_ body: (inout ByteBuffer) -> Void) {
        body(&output)
        outputAdded()
    }

    /// Appends `byteCount` bytes of `mapping` without copying them. They must not change while the connection lives.
    public func send(_ mapping: Mapping, offset: Int, byteCount: Int) {
        guard isOpen, byteCount > 0 else { return }
        precondition(offset >= 0 && offset + byteCount <= mapping.byteCount, "range outside the mapping")
        if output.count > ownedInPieces {
            unsafe pieces.append(Piece(owner: nil, address: nil, byteCount: output.count - ownedInPieces))
            pieceByteCount += output.count - ownedInPieces
            ownedInPieces = output.count
        }
        // SAFETY: the range was checked above, and the piece holds the mapping.
        unsafe pieces.append(Piece(owner: mapping, address: mapping.address(offset), byteCount: byteCount))
        pieceByteCount += byteCount
        outputAdded()
    }

    private func outputAdded() {
        if !isDirty {
            isDirty = true
            loop.markDirty(self)
        }
        if pendingByteCount > Self.outputByteCountMax { close("peer does not read: \(pendingByteCount) bytes wait") }
    }

    /// Writes what is waiting, as much as the socket takes.
    func flush() {
        isDirty = false
        while isOpen, pendingByteCount > 0 {
            let written = pieces.isEmpty ? writeOwned() : writePieces()
            if written < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN { break }
                return finish(.failed(.last("send", peer.description)))
            }
            lastActivity = loop.now
            consume(written)
        }
        guard isOpen else { return }
        let wanted = pendingByteCount > 0
        if wanted != waitsForRoom {
            waitsForRoom = wanted
            // A peer that does not take answers is not asked for more requests.
            loop.change(slot, descriptor, events: wanted ? .writable : [.readable, .peerClosed])
        }
        if !wanted {
            output.trim(to: 64 << 10)
            if let reason = closesWhenWritten { finish(.local(reason)) }
        }
    }

    private func writeOwned() -> Int {
        // SAFETY: the bytes are lent for the call.
        unsafe output.withUnsafeBytes { unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    private func writePieces() -> Int {
        var vectors = unsafe [iovec]()
        unsafe vectors.reserveCapacity(min(pieces.count + 1, 512))
        // SAFETY: `output` is not changed and the mappings are held by `pieces` until sendmsg has returned.
        return unsafe output.withUnsafeBytes { owned in
            var at = 0
            for index in 0..<min(pieces.count, 511) {
                let byteCount = pieces[index].byteCount
                if let address = unsafe pieces[index].address {
                    unsafe vectors.append(
                        iovec(iov_base: UnsafeMutableRawPointer(mutating: address), iov_len: byteCount))
                } else {
                    unsafe vectors.append(
                        iovec(
                            iov_base: UnsafeMutableRawPointer(mutating: owned.baseAddress.unsafelyUnwrapped + at),
                            iov_len: byteCount))
                    at += byteCount
                }
            }
            if pieces.count <= 511, at < owned.count {
                unsafe vectors.append(
                    iovec(
                        iov_base: UnsafeMutableRawPointer(mutating: owned.baseAddress.unsafelyUnwrapped + at),
                        iov_len: owned.count - at))
            }
            return unsafe vectors.withUnsafeMutableBufferPointer { list in
                var message = unsafe msghdr()
                unsafe message.msg_iov = list.baseAddress
                unsafe message.msg_iovlen = list.count
                return unsafe sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL))
            }
        }
    }

    /// Takes `byteCount` written bytes off the front.
    private func consume(_ byteCount: Int) {
        var left = byteCount
        var done = 0
        while left > 0, done < pieces.count {
            let size = pieces[done].byteCount
            let taken = min(left, size)
            pieceByteCount -= taken
            left -= taken
            if let address = unsafe pieces[done].address {
                unsafe pieces[done].address = address + taken  // SAFETY: taken <= size: inside, or one past, the range
            } else {
                output.removeFirst(taken)
                ownedInPieces -= taken
            }
            pieces[done].byteCount = size - taken
            if taken == size { done += 1 }
        }
        if done > 0 { pieces.removeFirst(done) }
        if left > 0 { output.removeFirst(left) }
    }

    // MARK: - End

    /// Closes at once; output not written is dropped.
    public func close(_ reason: String) { finish(.local(reason)) }

    /// Closes when everything appended so far is written.
    public func closeAfterOutput(_ reason: String) {
        guard isOpen else { return }
        if pendingByteCount == 0 { return finish(.local(reason)) }
        closesWhenWritten = reason
    }

    func loopEnds() {
        flush()
        finish(.local("shutting down"))
    }

    private func finish(_ reason: CloseReason) {
        guard isOpen else { return }
        isOpen = false
        if slot >= 0 { loop.unregister(slot, descriptor) }
        Glibc.close(descriptor)
        output = ByteBuffer()
        pieces = []
        pieceByteCount = 0
        ownedInPieces = 0
        let handler = self.handler
        self.handler = nil
        handler?.closed(self, because: reason)
    }
}
