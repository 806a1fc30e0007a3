public import MQSystem

/// Why a store cannot be opened. Each is one sentence for the operator.
public enum StoreOpenError: Error, Sendable, CustomStringConvertible {
    /// Another process has it.
    case locked(path: String, holder: Int32?)
    /// The system refused something.
    case system(SystemError)
    /// A file has a length that is not the configured one.
    case wrongLength(path: String, byteCount: Int, expected: Int)
    /// A file that must follow another is missing.
    case missingFile(path: String)
    /// The log does not hold what was on the disk.
    case lostLog(path: String, reason: String)
    /// A queue is damaged, and the log holds none of its records.
    case lostQueue(path: String, reason: String)

    /// One sentence for the operator.
    public var description: String {
        switch self {
        case .locked(let path, let holder):
            "Lock failed, MQ already started: \(path) is held by "
                + (holder.map { "process \($0)" } ?? "another process")
        case .system(let error): "cannot open the store: \(error)"
        case .wrongLength(let path, let byteCount, let expected):
            "\(path) has \(byteCount) bytes, not the \(expected) that its size is configured to; length not matched"
        case .missingFile(let path):
            "\(path) is missing: the log has a hole; restore the file or move the later ones away"
        case .lostLog(let path, let reason): "\(path) does not hold the log: \(reason)"
        case .lostQueue(let path, let reason):
            "\(path) \(reason), and the log holds no record of the queue any more: restore it, or remove it and let "
                + "the queue begin at 0"
        }
    }
}

extension StoreOpenError {
    /// Runs `body`; what the system refuses is a reason not to open.
    static func wrap<R>(_ body: () throws(SystemError) -> R) throws(StoreOpenError) -> R {
        do throws(SystemError) { return try body() } catch { throw .system(error) }
    }
}

/// Why the store did not take a record.
public enum AppendError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Writing or syncing failed once; nothing is taken any more.
    case fenced(String)
    /// There is no room on the disk; try again later.
    case diskFull
    /// Another append has lasted so long that this one gave up; try again later, or elsewhere.
    case busy(milliseconds: Int64)
    /// A record that can never fit a file of the log.
    case tooLarge(byteCount: Int, max: Int)

    /// One sentence for the producer.
    public var description: String {
        switch self {
        case .fenced(let reason): "the store is not writable: \(reason)"
        case .diskFull: "the broker's disk is full"
        case .busy(let milliseconds): "a write to the log has lasted \(milliseconds) ms"
        case .tooLarge(let byteCount, let max): "the record has \(byteCount) bytes, more than \(max)"
        }
    }
}
