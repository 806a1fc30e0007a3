import MQBytes
public import MQSystem

/// Where records lie in the log: runs of bytes, file by file, in the order of a queue.
public struct LogRanges: Sendable {
    /// One file's part of the runs.
    public struct File: Sendable {
        /// The file's bytes; keeps them mapped.
        public let mapping: Mapping
        /// Where the file begins in the log.
        let start: Int64
        /// Which of the runs are this file's.
        public internal(set) var runs: Range<Int>
    }

    /// The files; one may come again.
    public private(set) var files: [File] = []
    /// The runs, in bytes from their file's start.
    public private(set) var runs: [Range<Int>] = []

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

    /// The runs that were added since the last call are of `mapping`, whose file begins at `start` in the log.
    mutating func endFile(_ mapping: Mapping, at start: Int64) {
        let first = files.last?.runs.upperBound ?? 0
        if first < runs.count { files.append(File(mapping: mapping, start: start, runs: first..<runs.count)) }
    }

    /// Forgets all; keeps the memory.
    mutating func removeAll() {
        files.removeAll(keepingCapacity: true)
        runs.removeAll(keepingCapacity: true)
    }
}
