import BenchWire
import Glibc

/// One client: the piece of a frame that has come so far, and the answers that have not left yet.
final class FloorConnection {
    let descriptor: Int32
    /// Whether it is in the list of connections this wake-up has answers for.
    var isTouched = false
    var wantsWrite = false
    fileprivate(set) var partial: UnsafeMutableRawPointer
    private(set) var partialCount = 0
    private var partialCapacity = 4096
    private var output: UnsafeMutableRawPointer
    private var outputCount = 0
    private var outputCapacity = 16_384
    /// Borrowed pieces (record ranges) to send behind the first `end` bytes of output.
    private var pieces: [(end: Int, bytes: UnsafeRawBufferPointer)] = []
    private var sent = 0

    init(descriptor: Int32) {
        self.descriptor = descriptor
        partial = .allocate(byteCount: partialCapacity, alignment: 16)
        output = .allocate(byteCount: outputCapacity, alignment: 16)
    }

    func close() {
        Glibc.close(descriptor)
        partial.deallocate()
        output.deallocate()
    }

    /// Keeps the unfinished end of what was read.
    func keep(_ bytes: UnsafeRawPointer, _ count: Int) {
        if count > partialCapacity {
            partial.deallocate()
            partialCapacity = count * 2
            partial = .allocate(byteCount: partialCapacity, alignment: 16)
        }
        if count > 0 { memcpy(partial, bytes, count) }
        partialCount = count
    }

    /// Room for `count` more bytes of answers.
    @inline(__always)
    func reserve(_ count: Int) -> UnsafeMutableRawPointer {
        if outputCount + count > outputCapacity {
            let capacity = max(outputCapacity * 2, outputCount + count)
            let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
            memcpy(larger, output, outputCount)
            output.deallocate()
            (output, outputCapacity) = (larger, capacity)
        }
        defer { outputCount += count }
        return output + outputCount
    }

    /// Bytes to send behind the answers so far; they must stay where they are.
    func lend(_ bytes: UnsafeRawBufferPointer) {
        pieces.append((outputCount, bytes))
    }

    /// Sends what it can in one write. `false` if the peer is gone.
    func flush() -> Bool {
        let count: Int
        let total: Int
        if pieces.isEmpty {
            total = outputCount
            count = send(descriptor, output + sent, total - sent, Int32(MSG_NOSIGNAL))
        } else {
            total = outputCount + pieces.reduce(0) { $0 + $1.bytes.count }
            count = sendPieces()
        }
        if count < 0 { return errno == EAGAIN || errno == EINTR }
        sent += count
        if sent == total {
            (sent, outputCount) = (0, 0)
            pieces.removeAll(keepingCapacity: true)
        }
        return true
    }

    var hasOutput: Bool { outputCount > 0 }

    private func sendPieces() -> Int {
        var vectors: [iovec] = []
        var skip = sent
        var from = 0
        func add(_ start: UnsafeRawPointer, _ count: Int) {
            let skipped = min(skip, count)
            skip -= skipped
            guard count > skipped, vectors.count < 1024 else { return }
            let base = UnsafeMutableRawPointer(mutating: start + skipped)
            vectors.append(iovec(iov_base: base, iov_len: count - skipped))
        }
        for piece in pieces {
            add(output + from, piece.end - from)
            add(piece.bytes.baseAddress!, piece.bytes.count)
            from = piece.end
        }
        add(output + from, outputCount - from)
        return writev(descriptor, vectors, Int32(vectors.count))
    }
}
