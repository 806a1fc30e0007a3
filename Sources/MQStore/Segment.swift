import MQBase
import MQSystem
import Synchronization

/// One file of the log: its bytes are written with `pwrite` and read through a mapping of the same pages.
///
/// Opened and mapped when it is needed: a log of several TiB must not cost a descriptor, a mapping and page tables for
/// every file. The descriptor stays until everything in the file is on the disk, the mapping as long as somebody reads
/// there (``OpenFiles``). Any thread.
final class Segment: Sendable, Reopenable {
    /// Held by every mapping of the file: when it is gone, nobody reads there.
    private final class Readers: Sendable {}

    private struct Opened {
        var file: File?
        var mapping: Mapping?
        var readers: Readers? = Readers()
        /// Bounds how many files stay mapped; none before the log runs.
        var mapped: OpenFiles<Segment>?
        /// Takes the mapping over when it is given up.
        var unmapping: LateUnmapping?
        var isRemoved = false
    }

    /// The physical offset of the file's first byte; also its name, in 20 digits.
    let start: PhysicalOffset
    let byteCount: Int
    let path: String
    /// Where the file is: the log may have several folders.
    var folder: String { String(path.dropLast(21)) }
    private let opened: Lock<Opened>
    private let usedAt = Atomic<Int>(0)
    private let kept = Atomic<Bool>(false)

    /// The offset behind the file's last byte.
    var end: PhysicalOffset { start + byteCount }

    /// Whether the byte at `offset` is in this file.
    func contains(_ offset: PhysicalOffset) -> Bool {
        offset >= start && offset.rawValue - start.rawValue < Int64(byteCount)
    }

    /// The file at `path`, which has `byteCount` bytes. Nothing is opened.
    /// - Parameter file: it, if it is open already.
    init(_ path: String, start: PhysicalOffset, byteCount: Int, file: File? = nil) {
        self.path = path
        self.start = start
        self.byteCount = byteCount
        opened = Lock(Opened(file: file))
    }

    static func name(_ start: Int64) -> String {
        let digits = String(start)
        return String(repeating: "0", count: 20 - digits.count) + digits
    }

    /// The file, opened on first use. May wait for the disk then.
    var file: File {
        get throws(SystemError) {
            try opened.withLock { (opened) throws(SystemError) in try open(&opened) }
        }
    }

    /// The file's bytes, mapped on first use, which opens the file and may wait for the disk: a loop asks for recent
    /// files only. Takes a lock; keep it over a batch.
    /// - Throws: what the system said; "not found" if the file was removed meanwhile.
    var mapping: Mapping {
        get throws(SystemError) {
            var mapped: OpenFiles<Segment>?
            var unmapping: LateUnmapping?
            let mapping = try opened.withLock { (opened) throws(SystemError) -> Mapping in
                if let mapping = opened.mapping {
                    usedAt.store(opened.mapped?.now ?? 0, ordering: .relaxed)
                    return mapping
                }
                let isOpen = opened.file != nil
                let mapping = try Mapping(try open(&opened), byteCount: byteCount, keeping: opened.readers)
                if !isOpen { opened.file = nil }  // a mapping needs no descriptor
                opened.mapping = mapping
                (mapped, unmapping) = (opened.mapped, opened.unmapping)
                usedAt.store(mapped?.now ?? 0, ordering: .relaxed)
                return mapping
            }
            mapped?.add(self)  // others may be given up for it
            unmapping?.unmapUnread()
            return mapping
        }
    }

    /// As ``mapping``, but only if there is one already: opens and waits for nothing.
    var mappingIfOpen: Mapping? {
        opened.withLock { opened in
            if opened.mapping != nil { usedAt.store(opened.mapped?.now ?? 0, ordering: .relaxed) }
            return opened.mapping
        }
    }

    private func open(_ opened: inout Opened) throws(SystemError) -> File {
        if let file = opened.file { return file }
        guard !opened.isRemoved else { throw SystemError(code: 2, call: "open", subject: path) }
        let file = try File(path, .readWrite)
        opened.file = file
        return file
    }

    /// Lets go of the descriptor: everything in the file is on the disk and nothing more will be written.
    func closeFile() { opened.withLock { $0.file = nil } }

    // MARK: - How long it stays mapped

    /// From now on `mapped` bounds how many files are, and `unmapping` unmaps what is given up.
    func join(_ mapped: OpenFiles<Segment>, _ unmapping: LateUnmapping) {
        let isMapped = opened.withLock { opened in
            opened.mapped = mapped
            opened.unmapping = unmapping
            return opened.mapping != nil
        }
        if isMapped { mapped.add(self) }
    }

    /// Whether the mapping stays whatever else is mapped: recent files.
    var isKept: Bool {
        get { kept.load(ordering: .relaxed) }
        set { kept.store(newValue, ordering: .relaxed) }
    }

    var lastUse: Int { usedAt.load(ordering: .relaxed) }
    var isBusy: Bool { false }

    /// Drops the mapping. Readers that hold it go on; it is unmapped behind the last one. Not on a loop.
    func close() {
        let (mapping, unmapping) = opened.withLock { opened in
            defer { opened.mapping = nil }
            return (opened.mapping, opened.unmapping)
        }
        guard let mapping else { return }
        unmapping?.keep(mapping)
    }

    /// Says that the file goes: nobody opens or maps it any more.
    /// - Returns: hold it weakly: it lives as long as somebody has the file mapped.
    func retire() -> AnyObject? {
        let old = opened.withLock { opened in
            defer { opened = Opened(readers: nil, isRemoved: true) }
            return opened
        }
        if let mapping = old.mapping { old.unmapping?.keep(mapping) }
        old.mapped?.remove(self)
        return old.readers
    }
}
