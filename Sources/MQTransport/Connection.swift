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

    let descriptor: Int32
    private var slot = -1
    private var handler: (any ConnectionHandler)?
    private var input = ByteBuffer()
    private var output = Output()
    private var isDirty = false
    private var waitsForRoom = false
    private var closesWhenWritten: String?
    /// Asked about the first byte, and then forgotten.
    var gate: (any ConnectionGate)?
    /// With a cipher `output` is what it has not sealed yet.
    private var cipher: (any ConnectionCipher)?
    private var sealed = ByteBuffer()
    /// Memory for output that is kept while nothing waits. Who sends much over few connections asks for more: what is not
    /// kept is allocated, and copied as it grows, at every wake-up.
    public var outputKeptByteCount = 64 << 10
    /// Bytes sealed in one go.
    private static let sealMax = 256 << 10
    /// Another thread reads into memory what is to be written next.
    private var isBringingIn = false

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

    /// Puts `cipher` in front of everything. Before anything is read or written.
    public func seal(with cipher: any ConnectionCipher) {
        self.cipher = cipher
        do throws(CipherError) {
            try cipher.begin(into: &sealed)
        } catch {
            return close(error.description)
        }
        if !sealed.isEmpty { outputAdded() }
    }

    /// Whether the peer is talked to behind a cipher.
    public var isSealed: Bool { cipher != nil }

    private func read() {
        guard let handler else { return }
        if gate != nil || cipher != nil { return readBehindGate(handler) }
        // Small leftovers go in front of what is read into the loop's buffer; a large frame grows in a buffer of its own.
        guard input.count > 32 << 10 else { return loop.read(self) }
        var buffer = ByteBuffer()
        swap(&buffer, &input)
        guard fill(&buffer) else { return swap(&buffer, &input) }
        buffer.removeFirst(handler.received(buffer.span, on: self))
        buffer.trim(to: 64 << 10)
        if isOpen { swap(&buffer, &input) }
    }

    /// Has `bytes` handled, which are all that waits. What is left of them is kept.
    func take(_ bytes: Span<UInt8>) {
        guard let handler else { return }  // closed since it was read
        let consumed = handler.received(bytes, on: self)
        input.removeAll()
        if isOpen, consumed < bytes.count {
            input.append(bytes.extracting(consumed..<bytes.count))
        } else {
            input.trim(to: 4 << 10)
        }
    }

    /// A connection's first bytes, and all of those behind a cipher.
    private func readBehindGate(_ handler: any ConnectionHandler) {
        loop.lendReadBuffer { raw in
            let start = raw.count
            if fill(&raw) { open(raw.span.extracting(start..<raw.count), handler) }
            raw.truncate(to: start)
        }
    }

    private func open(_ raw: Span<UInt8>, _ handler: any ConnectionHandler) {
        if let gate {
            self.gate = nil
            switch gate.admit(raw[0]) {
            case .plain: break
            case .sealed(let cipher): seal(with: cipher)
            case .refused(let reason): return close(reason)
            }
        }
        var plain = ByteBuffer()
        swap(&plain, &input)
        if let cipher {
            do throws(CipherError) {
                defer { if !sealed.isEmpty { outputAdded() } }
                try cipher.open(raw, into: &plain, answer: &sealed)
            } catch {
                if isOpen { flush() }  // the alert
                return close(error.description)
            }
            if cipher.isReady, pendingByteCount > 0 { outputAdded() }  // what waited for the handshake
        } else {
            plain.append(raw)
        }
        guard isOpen, !plain.isEmpty else { return swap(&plain, &input) }
        plain.removeFirst(handler.received(plain.span, on: self))
        plain.trim(to: 64 << 10)
        if isOpen { swap(&plain, &input) }
    }

    /// Reads once into `buffer`, where asked behind what waits already. `false` if there was nothing, or if the connection
    /// ended.
    func fill(_ buffer: inout ByteBuffer, behindLeftovers: Bool = false) -> Bool {
        if behindLeftovers { buffer.append(input.span) }
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
    public var pendingByteCount: Int { output.byteCount + sealed.count }

    /// Lets `body` append to the output, which is written at the end of the wake-up.
    @inlinable public func send(_ body: (inout ByteBuffer) -> Void) {
        guard isOpen else { return }
        withOutput(body)
    }

    @usableFromInline func withOutput(_ body: (inout ByteBuffer) -> Void) {
        body(&output.owned)
        outputAdded()
    }

    /// Appends the bytes of `ranges` of `mapping` without copying them. They must not change while the connection lives.
    /// - Precondition: the ranges lie in the mapping.
    public func send(_ mapping: Mapping, _ ranges: ArraySlice<Range<Int>>) {
        guard isOpen, !ranges.isEmpty else { return }
        output.add(mapping, ranges)
        outputAdded()
    }

    /// Writes what waits at once, for who has much more to say in this wake-up: the peer begins with it meanwhile. Loop only.
    public func writeNow() { if isDirty { flush() } }

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
        guard !isBringingIn else { return }
        while isOpen, pendingByteCount > 0 {
            var pieceMax = Int.max
            if waitsForRoom, let next = output.nextMapped() {
                // It was in memory when it was queued; the peer took its time, and so had the system to give it up.
                guard next.mapping.isInMemory(next.runs[...]) else { return bringIn(next) }
                pieceMax = max(1, next.pieceCount)
            }
            if cipher != nil {
                sealWaiting()
                if !isOpen || sealed.isEmpty { break }  // or it waits for the handshake
            }
            if write(pieceMax) < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN { break }
                return finish(.failed(.last("send", peer.description)))
            }
            lastActivity = loop.now
        }
        guard isOpen else { return }
        let wanted = pendingByteCount > 0 && (cipher == nil || !sealed.isEmpty)
        if wanted != waitsForRoom {
            waitsForRoom = wanted
            // A peer that does not take answers is not asked for more requests.
            loop.change(slot, descriptor, events: wanted ? .writable : [.readable, .peerClosed])
        }
        if !wanted {
            output.owned.trim(to: outputKeptByteCount)
            sealed.trim(to: 32 << 10)
            if let reason = closesWhenWritten, pendingByteCount == 0 { finish(.local(reason)) }
        }
    }

    /// Writes once; below 0 with `errno`.
    private func write(_ pieceMax: Int) -> Int {
        guard cipher != nil else { return output.write(to: descriptor, pieceMax: pieceMax) }
        // SAFETY: the bytes are lent for the call.
        let written = unsafe sealed.withUnsafeBytes {
            unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        if written > 0 { sealed.removeFirst(written) }
        return written
    }

    /// Hands what waits to the cipher, as much as is written at a time.
    private func sealWaiting() {
        guard let cipher, cipher.isReady, sealed.count < Self.sealMax, output.byteCount > 0 else { return }
        var plain = ByteBuffer()
        output.take(Self.sealMax, into: &plain)
        do throws(CipherError) {
            try cipher.seal(plain.span, into: &sealed)
        } catch {
            close(error.description)
        }
    }

    private func bringIn(_ next: Output.NextMapped) {
        isBringingIn = true
        loop.change(slot, descriptor, events: .peerClosed)
        PageReader.shared.bringIn(next) { [self] in
            loop.execute { [self] in
                isBringingIn = false
                guard isOpen else { return }
                loop.change(slot, descriptor, events: .writable)
                flush()
            }
        }
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
        output = Output()
        sealed = ByteBuffer()
        cipher = nil
        let handler = self.handler
        self.handler = nil
        handler?.closed(self, because: reason)
    }
}
