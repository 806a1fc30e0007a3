import Foundation
import MQTestKit

/// `strace` in front of a server, which lets its system calls fail or take long.
enum Tracer {
    /// The command that a server is started under.
    /// - Parameters:
    ///   - call: the system call.
    ///   - fault: what befalls it, as `-e inject=` has it: `error=EIO:when=2`.
    ///   - paths: only calls on these files; empty for all.
    static func command(_ call: String, _ fault: String, on paths: [String]) -> [String] {
        [
            "/usr/bin/env", "strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=\(call)",
            "-e", "inject=\(call):\(fault)",
        ] + paths.flatMap { ["-P", $0] }
    }
}

extension Running {
    /// A call on the log's first file takes `seconds`: the one that `when` names (`3`, or `1+` for all).
    func slow(_ call: String, seconds: Int, when: String) -> [String] {
        Tracer.command(
            call, "delay_enter=\(seconds * 1_000_000):when=\(when)",
            on: [folder.url.path + "/store/commitlog/00000000000000000000"])
    }
}
