import BenchWire
import Glibc

/// Bytes received and not yet taken, frame by frame. The whole of the largest frame fits.
struct InputBuffer {
    private var base: UnsafeMutableRawPointer
    private var capacity: Int
    private var start = 0
    private var end = 0

    /// A frame in the buffer; valid until the next read.
    struct Frame {
        let header: UnsafeRawPointer
        let headerCount: Int
        let isBinary: Bool
        let body: UnsafeRawPointer
        let bodyCount: Int
    }

    init(capacity: Int) {
        self.capacity = capacity
        base = .allocate(byteCount: capacity, alignment: 64)
    }

    /// Reads what is there. `false` at the end of the stream or on an error.
    mutating func fill(from descriptor: Int32) -> Bool {
        if start > 0 {
            if end > start { memmove(base, base + start, end - start) }
            end -= start
            start = 0
        }
        if end == capacity {
            let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity * 2, alignment: 64)
            memcpy(larger, base, end)
            base.deallocate()
            (base, capacity) = (larger, capacity * 2)
        }
        let count = recv(descriptor, base + end, capacity - end, 0)
        if count <= 0 { return count < 0 && (errno == EAGAIN || errno == EINTR) }
        end += count
        return true
    }

    /// Takes the next whole frame, if it has come.
    @inline(__always)
    mutating func next() -> Frame? {
        guard end - start >= 8 else { return nil }
        let frame = base + start
        let total = FrameScan.int32(frame)
        let mark = FrameScan.int32(frame + 4)
        let headerCount = mark & 0xFF_FFFF
        guard total >= 4, total <= FrameScan.frameMax, headerCount <= total - 4 else {
            stop("mqbench: the broker sent a frame of \(total) bytes with a header of \(headerCount)")
        }
        guard end - start >= 4 + total else { return nil }
        start += 4 + total
        return Frame(
            header: frame + 8, headerCount: headerCount, isBinary: mark >> 24 == 1, body: frame + 8 + headerCount,
            bodyCount: total - 4 - headerCount)
    }
}
