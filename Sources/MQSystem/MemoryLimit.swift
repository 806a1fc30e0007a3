import MQBytes

/// How much memory this process may use: the machine's, or less where a control group has a limit. Read once, at the start.
public enum MemoryLimit {
    /// Bytes: the smallest of the machine's memory and the limits of the process's control group and those above it
    /// (version 2, or the memory controller of version 1).
    public static var current: UInt64 {
        effective(physical: ThisProcess.physicalMemory, processCgroup: text("/proc/self/cgroup")) { text($0) }
    }

    /// - Parameters:
    ///   - processCgroup: what `/proc/self/cgroup` says; `nil` if it cannot be read.
    ///   - read: the content of a file; `nil` if there is none.
    package static func effective(physical: UInt64, processCgroup: String?, read: (String) -> String?) -> UInt64 {
        var limit = physical
        for line in (processCgroup ?? "").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            if parts[0] == "0", parts[1].isEmpty {
                limit = min(limit, lowest(below: "/sys/fs/cgroup", parts[2], "memory.max", read))
            } else if parts[1].split(separator: ",").contains("memory") {
                limit = min(limit, lowest(below: "/sys/fs/cgroup/memory", parts[2], "memory.limit_in_bytes", read))
            }
        }
        return limit
    }

    /// The smallest limit on the way from a group to the root. In a container the path may be the host's and not be there:
    /// the root is the container's own group then.
    private static func lowest(
        below root: String, _ path: Substring, _ file: String, _ read: (String) -> String?
    ) -> UInt64 {
        var limit = UInt64.max
        var parts = path.split(separator: "/")
        guard !parts.contains("..") else { return limit }
        while true {
            let folder = parts.reduce(root) { $0 + "/" + $1 }
            // `max` is no number; version 1 says a number near the largest.
            if let text = read(folder + "/" + file), let number = UInt64(text.prefix { $0.isNumber }), number > 0 {
                limit = min(limit, number)
            }
            guard parts.popLast() != nil else { return limit }
        }
    }

    private static func text(_ path: String) -> String? {
        var bytes = ByteBuffer()
        // A file that is not there, or is not to be read, sets no limit. Such files have no length to ask for.
        guard (try? File(path, .read).read(64 << 10, at: 0, into: &bytes)) != nil else { return nil }
        return String(decoding: bytes.toArray(), as: UTF8.self)
    }
}
