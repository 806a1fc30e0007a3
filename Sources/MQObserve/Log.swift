import Glibc
import Synchronization

/// How urgent an event is.
public enum LogLevel: Int, Comparable, Sendable {
    /// Per request; off in production.
    case trace
    /// Per connection.
    case debug
    /// Lifecycle and role changes.
    case info
    /// Unusual, and nobody has to act at once.
    case warn
    /// Somebody must act.
    case error

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    var label: StaticString {
        switch self {
        case .trace: "TRACE"
        case .debug: "DEBUG"
        case .info: "INFO"
        case .warn: "WARN"
        case .error: "ERROR"
        }
    }
}

/// Events with fields, one line each: `2026-11-21 09:30:00,123 INFO broker registered nameServer=127.0.0.1:9876`.
/// The event is fixed text, the values are fields, so that lines can be grouped. Safe from any thread.
public struct Log: Sendable {
    private let sink: LogFile?
    private let level: LogLevel

    /// Events of `level` and above go to `sink`.
    public init(to sink: LogFile, level: LogLevel = .info) {
        self.sink = sink
        self.level = level
    }

    private init() {
        sink = nil
        level = .error
    }

    /// Writes nothing.
    public static let silent = Log()

    /// Events go to the file at `path`. If that cannot be written, `complain` hears so once and nothing is logged: a
    /// server without a log still serves.
    public static func opened(_ path: String, orComplain complain: (String) -> Void) -> Log {
        if let file = LogFile(path: path) { return Log(to: file) }
        complain("no log: cannot write \(path)")
        return .silent
    }

    /// Writes one event.
    public func write(_ level: LogLevel, _ event: String, _ fields: KeyValuePairs<StaticString, String>) {
        guard level >= self.level, let sink else { return }
        var line = "\(level.label) \(event)"
        for (key, value) in fields { line += " \(key)=\(Self.printable(value))" }
        sink.write(line: line)
    }

    /// Lifecycle and role changes.
    public func info(_ event: String, _ fields: KeyValuePairs<StaticString, String> = [:]) {
        write(.info, event, fields)
    }
    /// Unusual, and nobody has to act at once.
    public func warn(_ event: String, _ fields: KeyValuePairs<StaticString, String> = [:]) {
        write(.warn, event, fields)
    }
    /// Somebody must act.
    public func error(_ event: String, _ fields: KeyValuePairs<StaticString, String> = [:]) {
        write(.error, event, fields)
    }
    /// Per connection.
    public func debug(_ event: String, _ fields: KeyValuePairs<StaticString, String> = [:]) {
        write(.debug, event, fields)
    }

    /// Values come from peers: control characters are shown as `?`, and 512 characters are enough to act on.
    private static func printable(_ value: String) -> String {
        var text = String.UnicodeScalarView()
        var count = 0
        for scalar in value.unicodeScalars {
            if count == 512 { break }
            text.append(scalar.value < 32 || scalar.value == 127 ? "?" : scalar)
            count += 1
        }
        return String(text)
    }
}

/// A log file that is renamed to `<name>.1` … `<name>.<kept>` when it is full. One `write(2)` per line, under a lock.
public final class LogFile: Sendable {
    private struct State {
        var descriptor: Int32
        var byteCount: Int
    }

    /// Where it is written.
    public let path: String
    private let maxByteCount: Int
    private let kept: Int
    private let state: Mutex<State>

    /// Opens `path` for appending.
    /// - Returns: `nil` if it cannot be written; the caller says so once and goes on without.
    public init?(path: String, maxByteCount: Int = 64 << 20, kept: Int = 10) {
        self.path = path
        self.maxByteCount = maxByteCount
        self.kept = kept
        guard let opened = Self.open(path) else { return nil }
        state = Mutex(opened)
    }

    deinit { state.withLock { _ = close($0.descriptor) } }

    private static func open(_ path: String) -> State? {
        let stream = unsafe fopen(path, "ae")
        guard let stream = unsafe stream else { return nil }
        defer { unsafe fclose(stream) }
        let descriptor = unsafe fcntl(fileno(stream), F_DUPFD_CLOEXEC, 3)
        guard descriptor >= 0 else { return nil }
        return State(descriptor: descriptor, byteCount: Int(lseek(descriptor, 0, SEEK_END)))
    }

    /// Appends `line` with the local time before it and a line feed behind it.
    public func write(line: String) {
        var text = Self.timeText() + " " + line + "\n"
        state.withLock { state in
            if state.byteCount > maxByteCount { rotate(&state) }
            // SAFETY: the bytes are used inside the closure; a failed write to a log has nobody to tell.
            state.byteCount += text.withUTF8 { max(0, unsafe Glibc.write(state.descriptor, $0.baseAddress, $0.count)) }
        }
    }

    private func rotate(_ state: inout State) {
        for index in stride(from: kept - 1, through: 1, by: -1) {
            _ = unsafe rename("\(path).\(index)", "\(path).\(index + 1)")
        }
        _ = unsafe rename(path, "\(path).1")
        guard let fresh = Self.open(path) else { return }
        close(state.descriptor)
        state = fresh
    }

    private static func timeText() -> String {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        var parts = unsafe tm()
        unsafe localtime_r(&now.tv_sec, &parts)
        var buffer = [CChar](repeating: 0, count: 40)
        // SAFETY: strftime writes at most the buffer's length and terminates.
        let count = unsafe strftime(&buffer, buffer.count, "%Y-%m-%d %H:%M:%S", &parts)
        let milliseconds = String(now.tv_nsec / 1_000_000 + 1000).dropFirst()
        return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self) + "," + milliseconds
    }
}
