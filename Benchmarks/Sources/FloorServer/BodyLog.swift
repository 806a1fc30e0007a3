import BenchWire
import Glibc

/// Preallocated files of 1 GiB, one after another; appended to with one `pwrite` a wake-up.
final class BodyLog {
    private let directory: String
    private let sync: Bool
    private let fileByteCount = 1 << 30
    private var descriptor: Int32 = -1
    private var position = 0
    private var fileIndex = 0

    init(directory: String, sync: Bool) {
        self.directory = directory
        self.sync = sync
        guard mkdir(directory, 0o755) == 0 || errno == EEXIST else {
            stop("floor: cannot make the folder \(directory): \(systemError)")
        }
        openNext()
    }

    /// In memory when it returns; on disk too with `sync`.
    func append(_ bytes: UnsafeRawPointer, _ count: Int) {
        if position + count > fileByteCount { openNext() }
        var done = 0
        while done < count {
            let written = pwrite(descriptor, bytes + done, count - done, position + done)
            guard written > 0 else { stop("floor: cannot write in \(directory): \(systemError)") }
            done += written
        }
        position += count
        if sync, fdatasync(descriptor) != 0 { stop("floor: fdatasync failed: \(systemError)") }
    }

    private func openNext() {
        if descriptor >= 0 { close(descriptor) }
        let path = "\(directory)/\(fileIndex).bodies"
        descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0, posix_fallocate(descriptor, 0, fileByteCount) == 0 else {
            stop("floor: cannot preallocate \(path): \(systemError)")
        }
        fileIndex += 1
        position = 0
    }
}
