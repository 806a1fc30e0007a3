import BenchWire
import Glibc

/// The result of a run as a table and as JSON.
struct Report {
    private let options: LoadOptions
    private let result: LoadResult

    private static let percentiles: [(name: String, percent: Double)] = [
        ("p50", 50), ("p90", 90), ("p99", 99), ("p99.9", 99.9), ("p99.99", 99.99),
    ]

    init(_ options: LoadOptions, _ result: LoadResult) {
        self.options = options
        self.result = result
    }

    // MARK: table

    /// Lines for people.
    var table: String {
        var lines: [(String, String)] = []
        if let side = result.produce { lines += rows("produce", side) }
        if let side = result.consume { lines += rows("consume", side) }
        for process in result.processes { lines.append(("cpu \(process.name)", row(process))) }
        let width = lines.map { $0.0.utf8.count }.max() ?? 0
        return lines.map { name, text in
            name + String(repeating: " ", count: width - name.utf8.count) + "  " + text + "\n"
        }.joined()
    }

    private func rows(_ name: String, _ side: SideResult) -> [(String, String)] {
        var load = "\(grouped(side.messageCount)) messages of \(options.bodyByteCount) bytes"
        load += " in \(fixed(Double(side.elapsed) / 1e9, 2)) s, \(options.connectionCount) connections"
        if name == "produce" {
            load += " × window \(options.window), "
            load += options.rate.map { "\(grouped(Int($0)))/s wanted" } ?? "closed loop"
        } else {
            load += ", \(grouped(side.pullCount)) pulls of up to \(options.pullMax)"
        }
        let speed = "\(grouped(Int(side.rate))) messages/s, \(fixed(side.mebibytesPerSecond, 1)) MiB/s"
        var rows = [(name, load), ("  throughput", speed)]
        rows.append((name == "produce" ? "  latency ms" : "  pull ms", times(side.latency)))
        if side.endToEnd.count > 0 { rows.append(("  end to end ms", times(side.endToEnd))) }
        rows.append(("  trouble", trouble(side)))
        return rows
    }

    private func times(_ histogram: Histogram) -> String {
        let parts = Self.percentiles.map { "\($0.name) \(milliseconds(histogram.percentile($0.percent)))" }
        let rest = "max \(milliseconds(histogram.max))  mean \(fixed(histogram.mean / 1e6, 3))"
        return parts.joined(separator: "  ") + "  " + rest
    }

    private func trouble(_ side: SideResult) -> String {
        var parts = side.errors.sorted { $0.key < $1.key }.map { "code \($0.key): \(grouped($0.value))" }
        if side.unansweredCount > 0 { parts.append("unanswered: \(grouped(side.unansweredCount))") }
        if side.unsentCount > 0 { parts.append("due and not sent: \(grouped(side.unsentCount))") }
        if side.gapCount > 0 { parts.append("gaps in queue offsets: \(grouped(side.gapCount))") }
        if side.corruptCount > 0 { parts.append("answers that are no records: \(grouped(side.corruptCount))") }
        return parts.isEmpty ? "none" : parts.joined(separator: ", ")
    }

    private func row(_ process: ProcessResult) -> String {
        let parts = costs(process)
        var text = "\(fixed(parts.all, 2)) µs/message (user \(fixed(parts.user, 2)), system \(fixed(parts.system, 2)))"
        text += ", \(fixed(parts.percent, 0)) % of a core"
        if let resident = process.residentKiB, let anonymous = process.anonymousKiB, let file = process.fileKiB {
            text += ", resident \(mebibytes(resident)) MiB (anonymous \(mebibytes(anonymous)), file \(mebibytes(file)))"
        } else {
            text += ", it has ended"
        }
        return text
    }

    private func mebibytes(_ kibibytes: Int) -> String { fixed(Double(kibibytes) / 1024, 1) }

    private func milliseconds(_ nanoseconds: UInt64) -> String { fixed(Double(nanoseconds) / 1e6, 3) }

    /// µs a message, divided as the ticks divide it, and percent of a core.
    private func costs(_ process: ProcessResult) -> (all: Double, user: Double, system: Double, percent: Double) {
        let all = Double(process.cpu) / 1000 / Double(max(1, result.messageCount))
        let ticks = process.user + process.system
        let user = ticks == 0 ? 0 : all * Double(process.user) / Double(ticks)
        let percent = Double(process.cpu) * 100 / Double(max(1, result.elapsed))
        return (all, user, ticks == 0 ? 0 : all - user, percent)
    }

    // MARK: JSON

    /// One object, for programs. Times are milliseconds, memory KiB.
    var json: String {
        var fields = [("mode", quoted(options.mode.rawValue)), ("load", loadJSON)]
        if let side = result.produce { fields.append(("produce", sideJSON(side))) }
        if let side = result.consume { fields.append(("consume", sideJSON(side))) }
        fields.append(("processes", "[" + result.processes.map(processJSON).joined(separator: ",") + "]"))
        return object(fields) + "\n"
    }

    private var loadJSON: String {
        object([
            ("bodyBytes", "\(options.bodyByteCount)"), ("connections", "\(options.connectionCount)"),
            ("window", "\(options.window)"), ("rate", options.rate.map { "\($0)" } ?? "null"),
            ("topics", "\(options.topicCount)"), ("queues", "\(options.queueCount)"),
        ])
    }

    private func sideJSON(_ side: SideResult) -> String {
        let errors = side.errors.sorted { $0.key < $1.key }.map { ("\($0.key)", "\($0.value)") }
        return object([
            ("messages", "\(side.messageCount)"), ("seconds", fixed(Double(side.elapsed) / 1e9, 6)),
            ("messagesPerSecond", fixed(side.rate, 1)), ("mebibytesPerSecond", fixed(side.mebibytesPerSecond, 2)),
            ("latency", timesJSON(side.latency)), ("endToEnd", timesJSON(side.endToEnd)),
            ("errors", object(errors)), ("unanswered", "\(side.unansweredCount)"), ("unsent", "\(side.unsentCount)"),
            ("pulls", "\(side.pullCount)"), ("gaps", "\(side.gapCount)"), ("corrupt", "\(side.corruptCount)"),
        ])
    }

    private func timesJSON(_ histogram: Histogram) -> String {
        var fields = Self.percentiles.map { ($0.name, fixed(Double(histogram.percentile($0.percent)) / 1e6, 6)) }
        fields.append(("max", fixed(Double(histogram.max) / 1e6, 6)))
        fields.append(("mean", fixed(histogram.mean / 1e6, 6)))
        fields.append(("count", "\(histogram.count)"))
        return object(fields)
    }

    private func processJSON(_ process: ProcessResult) -> String {
        let parts = costs(process)
        func number(_ value: Int?) -> String { value.map { "\($0)" } ?? "null" }
        return object([
            ("pid", "\(process.pid)"), ("name", quoted(process.name)), ("microsecondsPerMessage", fixed(parts.all, 4)),
            ("userMicrosecondsPerMessage", fixed(parts.user, 4)),
            ("systemMicrosecondsPerMessage", fixed(parts.system, 4)), ("percentOfCore", fixed(parts.percent, 2)),
            ("residentKiB", number(process.residentKiB)), ("anonymousKiB", number(process.anonymousKiB)),
            ("fileKiB", number(process.fileKiB)),
        ])
    }

    private func object(_ fields: [(String, String)]) -> String {
        "{" + fields.map { "\(quoted($0.0)):\($0.1)" }.joined(separator: ",") + "}"
    }

    private func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            if scalar == "\"" || scalar == "\\" { result += "\\" }
            result.unicodeScalars.append(scalar.value < 0x20 ? " " : scalar)
        }
        return result + "\""
    }
}
