import BenchWire
import Glibc

/// CPU time and memory of another process, from the kernel's own account.
struct ProcessWatch {
    let pid: Int32
    /// Its name, as the kernel shows it.
    let name: String
    private var start = Times()
    private(set) var used = Times()

    /// Nanoseconds since the process began.
    struct Times {
        /// User and system together, exact.
        var cpu: Int64 = 0
        /// User and system, in ticks of 10 ms.
        var user: Int64 = 0
        var system: Int64 = 0
    }

    /// `nil` if there is no such process.
    init?(pid: Int32) {
        self.pid = pid
        guard let name = readText("/proc/\(pid)/comm") else { return nil }
        self.name = String(name.prefix { $0 != "\n" })
        guard Self.times(pid) != nil else { return nil }
    }

    /// Begins to count.
    mutating func begin() { start = Self.times(pid) ?? Times() }

    /// Ends counting: ``used`` is what was used since ``begin()``; unchanged if the process has ended.
    mutating func end() {
        guard let now = Self.times(pid) else { return }
        used = Times(cpu: now.cpu - start.cpu, user: now.user - start.user, system: now.system - start.system)
    }

    /// A line of `/proc/PID/status` (`VmRSS`, `RssAnon`, `RssFile`), in KiB.
    func memory(_ name: String) -> Int? {
        guard let text = readText("/proc/\(pid)/status") else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix(name + ":") {
            return line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) }
        }
        return nil
    }

    private static func times(_ pid: Int32) -> Times? {
        // The whole process's clock, ended threads included: (~pid << 3) | CPUCLOCK_SCHED.
        guard let cpu = nanoseconds(of: ~pid << 3 | 2), let text = readText("/proc/\(pid)/stat") else { return nil }
        // Fields 14 and 15, counted behind the name, which may hold anything but ends with the last bracket.
        guard let close = text.lastIndex(of: ")") else { return nil }
        let fields = text[close...].split(separator: " ")
        guard fields.count > 13, let user = Int64(fields[12]), let system = Int64(fields[13]) else { return nil }
        return Times(cpu: cpu, user: user * 10_000_000, system: system * 10_000_000)
    }
}

/// A small file as text.
private func readText(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 16_384)
    let count = read(descriptor, &bytes, bytes.count)
    guard count > 0 else { return nil }
    return String(decoding: bytes[..<count], as: UTF8.self)
}
