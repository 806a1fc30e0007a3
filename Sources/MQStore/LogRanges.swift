import MQBytes
public import MQSystem

/// Where records lie in the log: runs of bytes, file by file, in the order of a queue.
public struct LogRanges: Sendable {
    /// One file's part of the runs.
    public struct File: Sendable {
        /// The file's bytes; keeps them mapped.
        public let mapping: Mapping
        /// Which of the runs are this file's.
        public internal(set) var runs: Range<Int>
    }

    /// The files; one may come again.
    public private(set) var files: [File] = []
    /// The runs, in bytes from their file's start.
    public private(set) var runs: [Range<Int>] = []

    /// The bytes of all runs. May wait for the disk.
    public func copy() -> [UInt8] {
        var bytes = ByteBuffer(capacity: runs.reduce(0) { $0 + $1.count })
        for file in files { for run in runs[file.runs] { bytes.append(file.mapping.bytes(run)) } }
        return bytes.toArray()
    }

    /// Whether all of it is in memory at this moment.
    public var isInMemory: Bool {
        for file in files where !file.mapping.isInMemory(runs[file.runs]) { return false }
        return true
    }

    /// Begins to read it, and what lies up to `byteCount` bytes behind it in the log: what its reader will ask for next.
    public func readAhead(_ byteCount: Int) {
        for file in files {
            guard let first = runs[file.runs].first, let last = runs[file.runs].last else { continue }
            file.mapping.readAhead(min(first.lowerBound, last.lowerBound)..<last.upperBound + byteCount)
        }
    }

    mutating func add(_ run: Range<Int>) { runs.append(run) }

    /// The runs that were added since the last call are of `mapping`.
    mutating func endFile(_ mapping: Mapping) {
        let start = files.last?.runs.upperBound ?? 0
        if start < runs.count { files.append(File(mapping: mapping, runs: start..<runs.count)) }
    }

    /// Forgets all; keeps the memory.
    mutating func removeAll() {
        files.removeAll(keepingCapacity: true)
        runs.removeAll(keepingCapacity: true)
    }
}
