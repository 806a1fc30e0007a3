import MQSystem

/// Writes whole small files on a thread of its own, so that no loop waits for a disk. The old file stays as `<name>.bak`.
final class FileSaver: Sendable {
    /// Requests that may wait for the disk at once.
    static let waitingMax = 1024
    typealias Done = @Sendable (SystemError?) -> Void

    private struct Work: Sendable {
        /// Path → the newest text and who waits for it; an older text not written yet is not written any more.
        var files: [String: (text: [UInt8], done: [Done])] = [:]
        var waiting = 0
        var isStopping = false
    }

    private let work = Monitor(Work())
    private let thread: Thread

    init() {
        thread = Thread("save-config") { [work] in Self.run(work) }
    }

    /// Replaces the file at `path` by `text`; `done` runs on the saver's thread when it is durable or has failed.
    /// - Returns: `false` if too many requests wait already; `done` is not called then.
    func save(_ text: [UInt8], to path: String, _ done: @escaping Done) -> Bool {
        var isAccepted = false
        work.signal { work in
            guard work.waiting < Self.waitingMax, !work.isStopping else { return false }
            work.files[path, default: ([], [])].text = text
            work.files[path]?.done.append(done)
            work.waiting += 1
            isAccepted = true
            return true
        }
        return isAccepted
    }

    /// Writes what waits and ends the thread. Call once.
    func stop() {
        work.signal { work in
            work.isStopping = true
            return true
        }
        thread.join()
    }

    private static func run(_ work: Monitor<Work>) {
        while true {
            let files: [String: (text: [UInt8], done: [Done])]? = work.wait { work in
                if work.files.isEmpty { return work.isStopping ? [:] : nil }
                defer { work.files = [:] }
                return work.files
            }
            guard let files, !files.isEmpty else { return }
            for (path, file) in files {
                let error = replace(path, with: file.text)
                work.withLock { $0.waiting -= file.done.count }
                for done in file.done { done(error) }
            }
        }
    }

    /// Replaces the file at `path`; returns what failed.
    private static func replace(_ path: String, with text: [UInt8]) -> SystemError? {
        do throws(SystemError) {
            try File.replace(path, with: text, keepsBackup: true)
            return nil
        } catch {
            return error
        }
    }
}
