import MQSystem

/// Reads into memory what a connection is to write and what the system has given up meanwhile: a loop would wait for the
/// disk at every page. One thread of the process, from the first time it is needed on; a connection has one job at most.
final class PageReader: Sendable {
    static let shared = PageReader()

    private struct Job: Sendable {
        let next: Output.NextMapped
        let done: @Sendable () -> Void
    }

    private let jobs: Monitor<[Job]>

    private init() {
        let jobs = Monitor<[Job]>([])
        self.jobs = jobs
        _ = Thread("page-in") {
            while let job = jobs.wait(until: { $0.isEmpty ? nil : $0.removeFirst() }) {
                job.next.mapping.bringIn(job.next.runs)
                job.done()
            }
        }
    }

    /// Reads, then calls `done` on a thread of its own.
    func bringIn(_ next: Output.NextMapped, done: @escaping @Sendable () -> Void) {
        jobs.signal { jobs in
            jobs.append(Job(next: next, done: done))
            return true
        }
    }
}
