import CMQLinux
import Glibc

/// This process and its surroundings.
public enum ThisProcess {
    /// The process id.
    public static var id: Int32 { getpid() }

    /// Bytes of memory in this machine.
    public static var physicalMemory: UInt64 { mq_physical_memory() }

    /// Processors that this process may run on; at least 1.
    public static var processorCount: Int { Int(mq_processor_count()) }

    /// The value of an environment variable.
    public static func environment(_ name: String) -> String? {
        // SAFETY: the string is copied at once; nothing in this process calls setenv after start.
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }

    /// The user's home folder, `/root` or `/tmp` when the environment does not say.
    public static var home: String { environment("HOME") ?? "/tmp" }

    /// The folder of a server's logs: `ROCKETMQ_LOG_DIR`, or RocketMQ's usual one. Made if it is missing and can be.
    public static func logFolder() -> String {
        let folder = environment("ROCKETMQ_LOG_DIR") ?? home + "/logs/rocketmqlogs"
        try? Directory.create(folder)  // best effort: who opens a file there hears why it cannot be
        return folder
    }

    /// This machine's name.
    public static var hostName: String {
        var name = [CChar](repeating: 0, count: 256)
        guard unsafe gethostname(&name, name.count - 1) == 0 else { return "localhost" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Blocks the signals that ask for a stop in the calling thread and those it starts later, and ignores SIGPIPE.
    /// Call first thing in `main`, then wait with ``waitForStopSignal()``.
    public static func prepareSignals() {
        signal(SIGPIPE, SIG_IGN)
        var set = sigset_t()
        unsafe sigemptyset(&set)
        unsafe sigaddset(&set, SIGTERM)
        unsafe sigaddset(&set, SIGINT)
        unsafe sigaddset(&set, SIGHUP)
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Waits for SIGTERM or SIGINT; SIGHUP is swallowed, because `nohup` users close terminals.
    public static func waitForStopSignal() {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        unsafe sigaddset(&set, SIGTERM)
        unsafe sigaddset(&set, SIGINT)
        unsafe sigaddset(&set, SIGHUP)
        var received: Int32 = 0
        repeat { unsafe sigwait(&set, &received) } while received == SIGHUP
    }

    /// Lets this process open as many files as the system allows, not just the 1024 that are usual; Java does the same.
    public static func raiseOpenFilesLimit() {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard unsafe getrlimit(resource, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = limit.rlim_max
        _ = unsafe setrlimit(resource, &limit)  // best effort: the next open says what is missing
    }

    /// Files and connections this process may have open at once.
    public static var openFilesMax: Int {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        return Int(clamping: limit.rlim_cur)
    }

    /// Writes a line to standard error.
    public static func complain(_ line: String) { write(line + "\n", to: 2) }

    /// Writes a line to standard output.
    public static func say(_ line: String) { write(line + "\n", to: 1) }

    /// Writes text as it is to standard output.
    public static func put(_ text: String) { write(text, to: 1) }

    /// Writes text as it is to standard error.
    public static func putError(_ text: String) { write(text, to: 2) }

    private static func write(_ text: String, to descriptor: Int32) {
        var text = text
        text.withUTF8 { utf8 in
            var done = 0
            while done < utf8.count {
                // SAFETY: done < count.
                let written = unsafe Glibc.write(
                    descriptor, utf8.baseAddress.unsafelyUnwrapped + done, utf8.count - done)
                if written <= 0 { return }
                done += written
            }
        }
    }

    /// Whether standard error is a terminal, where a progress line may be drawn.
    public static var hasTerminal: Bool { isatty(2) == 1 }

    /// Ends the process at once.
    public static func exit(_ code: Int32) -> Never { Glibc.exit(code) }
}
