import BenchWire
import Glibc

/// A producer's connection: its window of laid-out requests and when each was meant to leave.
final class SendConnection {
    let descriptor: Int32
    private(set) var outstanding = 0
    private var input = InputBuffer(capacity: 64 * 1024)
    private let slotCount: Int
    private let window: Int
    private let slots: UnsafeMutablePointer<Slot>
    /// Slots in the order they are used, oldest first: queues take turns.
    private let ring: UnsafeMutablePointer<Int32>
    private var ringStart = 0
    private var ringCount: Int
    private var sequence: UInt32 = 0
    private let vectors: UnsafeMutablePointer<iovec>
    private var vectorStart = 0
    private var vectorEnd = 0
    private let vectorMax: Int
    private let commit: CommitTemplate?

    private struct Slot {
        let frame: UnsafeMutableRawPointer
        let byteCount: Int
        let opaqueAt: Int
        let sequenceAt: Int
        let bornAt: Int
        /// -1 if the body is too short for a stamp.
        let stampAt: Int
        /// Answer waited for; 0 if none.
        var opaque = 0
        /// Room for the commit; `nil` if messages are no transactions.
        var commit: UnsafeMutableRawPointer?
        /// Whether the commit is waited for.
        var isCommitting = false
        /// When it was meant to leave, monotonic nanoseconds.
        var intended: Int64 = 0
    }

    /// - Parameter targets: topic and queue of each template, taken in turn from `first` on.
    init(
        _ descriptor: Int32, options: LoadOptions, targets: [(topic: String, queue: Int)], first: Int, keyHead: String
    ) {
        self.descriptor = descriptor
        window = options.window
        commit = options.isTransactional ? CommitTemplate(options) : nil
        var count = 16
        while count < window { count *= 2 }
        slotCount = count
        slots = .allocate(capacity: count)
        ring = .allocate(capacity: count)
        ringCount = count
        for index in 0..<count {
            let target = targets[(first + index) % targets.count]
            let template = SendTemplate(options, topic: target.topic, queue: target.queue, keyHead: keyHead)
            let frame = UnsafeMutableRawPointer.allocate(byteCount: template.bytes.count, alignment: 64)
            memcpy(frame, template.bytes, template.bytes.count)
            (slots + index).initialize(
                to: Slot(
                    frame: frame, byteCount: template.bytes.count, opaqueAt: template.opaqueAt,
                    sequenceAt: template.sequenceAt, bornAt: template.bornAt, stampAt: template.stampAt ?? -1))
            if let commit {
                slots[index].commit = UnsafeMutableRawPointer.allocate(byteCount: commit.bytes.count, alignment: 64)
            }
            ring[index] = Int32(index)
        }
        // At most `window` unsent frames, each one vector; a write takes up to 1024.
        vectorMax = count + 1024
        vectors = .allocate(capacity: vectorMax)
    }

    var hasRoom: Bool { outstanding < window }
    var hasOutput: Bool { vectorEnd > vectorStart }

    /// Lays out one more message; it leaves with the next ``flush()``.
    /// - Precondition: ``hasRoom``.
    @inline(__always)
    func enqueue(intended: Int64, now: Instants) {
        let index = Int(ring[ringStart])
        ringStart = (ringStart + 1) & (slotCount - 1)
        ringCount -= 1
        outstanding += 1
        sequence &+= 1
        let slot = slots + index
        // Slot number in the low bits: the answer finds its slot, and no other answer can pass for it.
        let opaque = 1_000_000_000 + (Int(sequence) * slotCount + index) & 0x3FFF_FFFF
        slot.pointee.opaque = opaque
        slot.pointee.intended = intended
        let frame = slot.pointee.frame
        putDecimal(opaque, digits: 10, at: frame + slot.pointee.opaqueAt)
        putHex(sequence, at: frame + slot.pointee.sequenceAt)
        withUnsafeBytes(of: now.bornDigits) { digits in
            _ = memcpy(frame + slot.pointee.bornAt, digits.baseAddress!, 13)
        }
        if slot.pointee.stampAt >= 0 {
            let stamp = (intended + now.realtimeAhead).bigEndian
            frame.storeBytes(of: stamp, toByteOffset: slot.pointee.stampAt, as: Int64.self)
        }
        append(frame, slot.pointee.byteCount)
    }

    @inline(__always)
    private func append(_ frame: UnsafeMutableRawPointer, _ byteCount: Int) {
        if vectorEnd == vectorMax {
            memmove(vectors, vectors + vectorStart, (vectorEnd - vectorStart) * MemoryLayout<iovec>.stride)
            vectorEnd -= vectorStart
            vectorStart = 0
        }
        vectors[vectorEnd] = iovec(iov_base: frame, iov_len: byteCount)
        vectorEnd += 1
    }

    /// Lays out the commit of slot `index`, whose half message was answered; `false` if there is nothing to commit.
    private func enqueueCommit(_ index: Int, _ answer: UnsafeRawPointer, _ count: Int) -> Bool {
        guard let commit, let frame = slots[index].commit, !slots[index].isCommitting else { return false }
        guard commit.layOut(frame, opaque: slots[index].opaque, answer: answer, count) else { return false }
        slots[index].isCommitting = true
        append(frame, commit.bytes.count)
        return true
    }

    /// Sends what it can in one write. `false` if the broker is gone.
    func flush() -> Bool {
        guard hasOutput else { return true }
        let count = writev(descriptor, vectors + vectorStart, Int32(min(1024, vectorEnd - vectorStart)))
        if count < 0 { return errno == EAGAIN || errno == EINTR }
        var rest = count
        while rest > 0, rest >= vectors[vectorStart].iov_len {
            rest -= vectors[vectorStart].iov_len
            vectorStart += 1
        }
        if rest > 0 {
            vectors[vectorStart].iov_base += rest
            vectors[vectorStart].iov_len -= rest
        }
        if vectorStart == vectorEnd { (vectorStart, vectorEnd) = (0, 0) }
        return true
    }

    /// Reads answers once. `false` if the broker is gone.
    func fill() -> Bool { input.fill(from: descriptor) }

    /// Takes the next answer: its code and when its message was meant to leave.
    @inline(__always)
    func nextAnswer() -> (code: Int, intended: Int64)? {
        while let frame = input.next() {
            let opaque = FrameScan.opaque(frame.header, frame.headerCount, isBinary: frame.isBinary)
            let index = (opaque - 1_000_000_000) & (slotCount - 1)
            // Not ours: a request of the broker's own.
            guard opaque >= 1_000_000_000, slots[index].opaque == opaque else { continue }
            let code = FrameScan.code(frame.header, frame.headerCount, isBinary: frame.isBinary)
            if code == 0, enqueueCommit(index, frame.header, frame.headerCount) { continue }
            slots[index].isCommitting = false
            slots[index].opaque = 0
            ring[(ringStart + ringCount) & (slotCount - 1)] = Int32(index)
            ringCount += 1
            outstanding -= 1
            return (code, slots[index].intended)
        }
        return nil
    }
}

/// The clocks, read once per wake-up.
struct Instants {
    /// Monotonic nanoseconds.
    private(set) var now: Int64 = 0
    /// Realtime minus monotonic, nanoseconds.
    private(set) var realtimeAhead: Int64 = 0
    /// Milliseconds since 1970 as 13 digits (and three bytes of nothing).
    private(set) var bornDigits: (UInt64, UInt64) = (0, 0)
    private var bornMilliseconds: Int64 = 0

    mutating func update() {
        now = monotonicNanoseconds()
        if bornMilliseconds == 0 || now / 1_000_000_000 != lastCheck {
            lastCheck = now / 1_000_000_000
            realtimeAhead = realtimeNanoseconds() - now
        }
        let milliseconds = (now + realtimeAhead) / 1_000_000
        guard milliseconds != bornMilliseconds else { return }
        bornMilliseconds = milliseconds
        withUnsafeMutableBytes(of: &bornDigits) { putDecimal(Int(milliseconds), digits: 13, at: $0.baseAddress!) }
    }

    private var lastCheck: Int64 = 0
}
