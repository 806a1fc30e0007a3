import MQBase
public import MQJSON
public import MQObserve
public import MQSystem

/// The JSON tables below `<root>/config`: read at start, written by one thread of their own so that no loop waits for a
/// disk. A table is written whole and takes the old one's place in one step; that stays as `<name>.bak`.
///
/// Source: `ConfigManager.java` `load`, `persist`, RocketMQ 5.3.
public final class ConfigFiles: Sendable {
    /// Longest file that is read, bytes.
    private static let byteCountMax = 256 << 20
    /// How long after a failed write it is tried again.
    private static let retryMilliseconds: Int64 = 5000

    private struct Table {
        let text: @Sendable () -> [UInt8]
        let isChanged: @Sendable () -> Bool
        let everyMilliseconds: Int64?
        /// When to look again, milliseconds of the monotonic clock.
        var due: Int64
        var isWanted = false
        var hasFailed = false
        var waiting: [@Sendable (SystemError?) -> Void] = []
    }

    private struct State {
        var tables: [String: Table] = [:]
        var jobs: [@Sendable () -> Void] = []
        var isStopping = false
    }

    private let folder: String
    private let log: Log
    private let state = Monitor(State())
    private let thread = Lock<Thread?>(nil)

    /// Tables in `folder`, which is made when the first one is written.
    public init(folder: String, log: Log) {
        self.folder = folder
        self.log = log
    }

    /// Reads `<name>`, or `<name>.bak` if that is missing, empty or damaged. Blocks; before the loops start.
    /// - Returns: `nil` if there is neither.
    /// - Throws: `damaged` if there is one and it cannot be read: starting without it would forget what it says.
    public func load(_ name: String) throws(ConfigFileError) -> JSON? {
        var problem: ConfigFileError?
        for candidate in [name, name + ".bak"] {
            let path = folder + "/" + candidate
            guard Directory.exists(path) else { continue }
            do throws(ConfigFileError) {
                if let json = try Self.read(path) { return json }
                problem = problem ?? ConfigFileError(path: path, reason: "is empty")
            } catch {
                problem = problem ?? error
                log.warn("config file unreadable", ["path": path, "reason": error.reason])
            }
        }
        if let problem { throw problem }
        return nil
    }

    private static func read(_ path: String) throws(ConfigFileError) -> JSON? {
        do {
            let bytes = try File(path, .read).readAll(limit: byteCountMax)
            if bytes.allSatisfy({ $0 == 32 || (9...13).contains($0) || $0 == 0 }) { return nil }
            let limits = JSONLimits(byteCountMax: byteCountMax, elementsMax: 10_000_000)
            return try JSON(parsing: bytes, limits: limits)
        } catch let error as SystemError {
            throw ConfigFileError(path: path, reason: error.reason)
        } catch {
            throw ConfigFileError(path: path, reason: "\(error)")
        }
    }

    /// Makes `name` a table that is written when ``save(_:then:)`` asks for it and, given a period, every
    /// `everyMilliseconds` while `isChanged` says so; and once more when the files are stopped. Before ``start()``.
    /// - Parameters:
    ///   - text: the table's bytes; called on the files' thread.
    ///   - isChanged: whether there is anything to write since `text` was called last.
    public func register(
        _ name: String, everyMilliseconds: Int64? = nil, isChanged: @escaping @Sendable () -> Bool,
        text: @escaping @Sendable () -> [UInt8]
    ) {
        let due = everyMilliseconds.map { Self.now() + $0 } ?? .max
        state.withLock {
            $0.tables[name] = Table(text: text, isChanged: isChanged, everyMilliseconds: everyMilliseconds, due: due)
        }
    }

    /// Writes `name` soon; many calls before that are one write. Any thread.
    /// - Parameter then: called on the files' thread when what the table held now is durable, or with why it is not.
    public func save(_ name: String, then: (@Sendable (SystemError?) -> Void)? = nil) {
        state.signal { state in
            state.tables[name]?.isWanted = true
            if let then { state.tables[name]?.waiting.append(then) }
            return true
        }
    }

    /// Runs `job` on the files' thread, in the order of the calls: for other files that must not be written twice at once.
    /// - Returns: `false` when a thousand wait already.
    func execute(_ job: @escaping @Sendable () -> Void) -> Bool {
        var isTaken = false
        state.signal { state in
            guard state.jobs.count < 1000, !state.isStopping else { return false }
            state.jobs.append(job)
            isTaken = true
            return true
        }
        return isTaken
    }

    /// Starts the thread.
    public func start() {
        thread.withLock { thread in
            if thread == nil { thread = Thread("config") { self.run() } }
        }
    }

    /// Writes everything that has changed and ends the thread. Blocks.
    public func stop() {
        state.signal { state in
            state.isStopping = true
            return true
        }
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        if let running { running.join() } else { writeDue(all: true) }
    }

    /// Milliseconds of the monotonic clock.
    private static func now() -> Int64 { SystemClock.now().nanoseconds / 1_000_000 }

    private func run() {
        while true {
            let now = Self.now()
            let next = state.withLock { $0.tables.values.map(\.due).min() } ?? .max
            let isStopping: Bool? = state.wait(milliseconds: next == .max ? nil : max(1, next - now)) { state in
                if state.isStopping { return true }
                return !state.jobs.isEmpty || state.tables.values.contains { $0.isWanted } ? false : nil
            }
            let jobs = state.withLock { state in
                defer { state.jobs = [] }
                return state.jobs
            }
            for job in jobs { job() }
            writeDue(all: isStopping == true)
            if isStopping == true { return }
        }
    }

    private func writeDue(all: Bool) {
        for name in state.withLock({ Array($0.tables.keys).sorted() }) {
            guard let table = take(name, all: all), table.isWanted || table.hasFailed || table.isChanged() else {
                continue
            }
            let error = write(name, table.text())
            if error != nil { retry(name) }
            for then in table.waiting { then(error) }
        }
    }

    /// `name` as it is asked for now, with its next time set; `nil` if its time has not come.
    private func take(_ name: String, all: Bool) -> Table? {
        let now = Self.now()
        return state.withLock { state in
            guard let table = state.tables[name] else { return nil }
            guard table.isWanted || table.due <= now || all else { return nil }
            if table.due <= now { state.tables[name]?.due = table.everyMilliseconds.map { now + $0 } ?? .max }
            state.tables[name]?.isWanted = false
            state.tables[name]?.hasFailed = false
            state.tables[name]?.waiting = []
            return table
        }
    }

    private func retry(_ name: String) {
        let due = Self.now() + Self.retryMilliseconds
        state.withLock { state in
            guard var table = state.tables[name] else { return }
            table.hasFailed = true
            table.due = min(due, table.due)
            state.tables[name] = table
        }
    }

    private func write(_ name: String, _ bytes: [UInt8]) -> SystemError? {
        let path = folder + "/" + name
        do throws(SystemError) {
            try File.replace(path, with: bytes, keepsBackup: true)
            return nil
        } catch {
            log.error("cannot write config file", ["path": path, "reason": error.description])
            return error
        }
    }
}

/// A table on disk that cannot be read; stop the start with it.
public struct ConfigFileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file.
    public let path: String
    /// What is wrong with it.
    public let reason: String

    /// Both, in one line.
    public var description: String { "\(path) \(reason)" }
}
