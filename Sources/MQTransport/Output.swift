import CMQLinux
import Glibc
import MQBytes
import MQSystem

/// What a connection has still to write, in order: bytes of its own, and bytes of mappings that leave without a copy.
/// One owner, which calls from one thread.
@safe struct Output: ~Copyable {
    /// Bytes of its own that are not written yet, those in `pieces` included. Append at the end.
    var owned = ByteBuffer()
    /// Runs of bytes in the order they leave, as the system takes them. Those of `owned` get their address in
    /// ``write(to:)``, because the buffer moves.
    private var pieces = unsafe [iovec]()
    /// Pieces that are written.
    private var done = 0
    /// Which pieces are bytes of `owned`; those before `ownedDone` are written.
    private var ownedPieces: [Int] = []
    private var ownedDone = 0
    private var ownedInPieces = 0
    private var pieceByteCount = 0
    /// Keep the mapped bytes where they are until the pieces before `end` are written.
    private var owners: [(mapping: Mapping, end: Int)] = []

    /// Pieces one system call takes (IOV_MAX).
    private static let vectorsMax = 1024
    /// Pieces for which room is kept while there is nothing to write.
    private static let keptMax = 512
    /// Bytes that are loaded ahead of the system's copy: less than a second-level cache holds.
    private static let prefetchByteCountMax = 256 << 10

    /// Bytes that wait.
    var byteCount: Int { owned.count + pieceByteCount - ownedInPieces }

    /// Adds bytes of `mapping`, which must not change until they are written.
    /// - Precondition: the ranges lie in the mapping.
    mutating func add(_ mapping: Mapping, _ ranges: ArraySlice<Range<Int>>) {
        settle()
        for range in ranges where !range.isEmpty {
            precondition(range.lowerBound >= 0 && range.upperBound <= mapping.byteCount, "range outside the mapping")
            // SAFETY: the range was checked above, and `owners` holds the mapping.
            let address = unsafe UnsafeMutableRawPointer(mutating: mapping.address(range.lowerBound))
            unsafe pieces.append(iovec(iov_base: address, iov_len: range.count))
            pieceByteCount += range.count
        }
        if let last = owners.indices.last, owners[last].mapping === mapping {
            unsafe owners[last].end = pieces.count
        } else {
            unsafe owners.append((mapping, pieces.count))
        }
    }

    /// Makes a piece of what was appended to `owned` since the last one.
    private mutating func settle() {
        let byteCount = owned.count - ownedInPieces
        guard byteCount > 0 else { return }
        ownedInPieces += byteCount
        pieceByteCount += byteCount
        if let last = ownedPieces.last, unsafe last == pieces.count - 1, last >= done {
            unsafe pieces[last].iov_len += byteCount
        } else {
            unsafe ownedPieces.append(pieces.count)
            unsafe pieces.append(iovec(iov_base: nil, iov_len: byteCount))
        }
    }

    /// What of a mapping comes next: bytes that may be asked about before they are written.
    struct NextMapped: Sendable {
        let mapping: Mapping
        let runs: [Range<Int>]
        /// Pieces up to the last of the runs.
        let pieceCount: Int
    }

    /// Looked at together at most.
    private static let nextByteCount = 256 << 10

    /// The next pieces of one mapping; `nil` if none waits.
    func nextMapped() -> NextMapped? {
        guard let owner = owners.first else { return nil }
        var (index, owned, byteCount) = (done, ownedDone, 0)
        var runs: [Range<Int>] = []
        // SAFETY: the addresses of the owner's pieces lie in its mapping.
        let base = unsafe owner.mapping.address(0)
        while index < owner.end, byteCount < Self.nextByteCount {
            if owned < ownedPieces.count, ownedPieces[owned] == index {
                owned += 1
            } else if let address = unsafe pieces[index].iov_base {
                let start = unsafe UnsafeRawPointer(address) - base
                let count = unsafe pieces[index].iov_len
                runs.append(start..<start + count)
                byteCount += count
            }
            index += 1
        }
        return NextMapped(mapping: owner.mapping, runs: runs, pieceCount: index - done)
    }

    /// Takes waiting bytes off the front as a copy, some `byteCount` of them: for a cipher, which needs them in one piece.
    mutating func take(_ byteCount: Int, into buffer: inout ByteBuffer) {
        settle()
        var at = 0  // in `owned`
        var owned = ownedDone
        var taken = 0
        var index = done
        while unsafe index < pieces.count, taken < byteCount {
            let count = unsafe min(pieces[index].iov_len, byteCount - taken)
            if owned < ownedPieces.count, ownedPieces[owned] == index {
                buffer.append(self.owned.span.extracting(at..<at + count))
                at += count
                owned += 1
            } else if let address = unsafe pieces[index].iov_base {
                // SAFETY: the piece lies in a mapping that `owners` holds.
                unsafe buffer.append(
                    UnsafeRawBufferPointer(start: address, count: count).withMemoryRebound(to: UInt8.self) { unsafe $0 }
                        .span)
            }
            taken += count
            index += 1
        }
        if taken > 0 { forget(taken) }
    }

    /// Writes once, as much as the socket takes. What is written is forgotten.
    /// - Parameter pieceMax: pieces to write at most; at least 1.
    /// - Returns: the bytes written; below 0 with `errno`, as the system says it.
    mutating func write(to descriptor: Int32, pieceMax: Int = .max) -> Int {
        let written = unsafe pieces.isEmpty ? writeOwned(to: descriptor) : writePieces(to: descriptor, pieceMax)
        if written > 0 { forget(written) }
        return written
    }

    private func writeOwned(to descriptor: Int32) -> Int {
        // SAFETY: the bytes are lent for the call.
        unsafe owned.withUnsafeBytes { unsafe send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    private mutating func writePieces(to descriptor: Int32, _ pieceMax: Int) -> Int {
        settle()
        var at = 0
        // SAFETY: pieces of `owned` lie in it one after the other, and it is not changed before sendmsg has returned.
        let base = unsafe owned.withUnsafeBytes { $0.baseAddress }
        for piece in ownedPieces[ownedDone...] {
            unsafe pieces[piece].iov_base = base.map { unsafe UnsafeMutableRawPointer(mutating: $0 + at) }
            at += unsafe pieces[piece].iov_len
        }
        let (first, count) = unsafe (done, min(pieces.count - done, Self.vectorsMax, pieceMax))
        // SAFETY: `first` is below the pieces' count; `owners` holds the mappings.
        return unsafe pieces.withUnsafeMutableBufferPointer { list in
            let list = unsafe list.baseAddress.unsafelyUnwrapped + first
            // Records of several queues lie apart: the processor does not see the next one coming. Measured with records
            // of 1.2 KiB, eight queues: the system's copy takes a quarter less.
            if count > 2 { unsafe mq_prefetch(list, Int32(count), Self.prefetchByteCountMax) }
            var message = unsafe msghdr()
            unsafe message.msg_iov = list
            unsafe message.msg_iovlen = count
            return unsafe sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL))
        }
    }

    /// Takes `byteCount` written bytes off the front.
    private mutating func forget(_ byteCount: Int) {
        guard byteCount < self.byteCount else { return removeAll() }
        var left = byteCount
        while left > 0, unsafe done < pieces.count {
            let size = unsafe pieces[done].iov_len
            let taken = min(left, size)
            pieceByteCount -= taken
            left -= taken
            if ownedDone < ownedPieces.count, ownedPieces[ownedDone] == done {
                owned.removeFirst(taken)
                ownedInPieces -= taken
                if taken == size { ownedDone += 1 }
            } else {
                unsafe pieces[done].iov_base += taken  // SAFETY: taken <= size: inside, or one past, the range
            }
            unsafe pieces[done].iov_len = size - taken
            if taken == size { done += 1 }
        }
        if left > 0 { owned.removeFirst(left) }
        let done = done
        owners.removeAll { $0.end <= done }
        if done > Self.keptMax, unsafe done > pieces.count / 2 { dropWritten() }
    }

    /// Lets go of the written pieces' places, for a peer that is never quite up with us.
    private mutating func dropWritten() {
        let gone = done
        unsafe pieces.removeFirst(gone)
        ownedPieces.removeFirst(ownedDone)
        for index in ownedPieces.indices { ownedPieces[index] -= gone }
        for index in owners.indices { owners[index].end -= gone }
        ownedDone = 0
        done = 0
    }

    /// Drops everything that waits.
    mutating func removeAll() {
        owned.removeAll()
        if unsafe pieces.capacity > Self.keptMax { unsafe pieces = [] }
        unsafe pieces.removeAll(keepingCapacity: true)
        ownedPieces.removeAll(keepingCapacity: true)
        owners.removeAll(keepingCapacity: true)
        (done, ownedDone, ownedInPieces, pieceByteCount) = (0, 0, 0, 0)
    }
}
