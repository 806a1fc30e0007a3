import BenchWire
import Glibc

/// The program `mqbench`: command line in, table and JSON out.
public enum BenchProgram {
    /// Runs and ends the process: 0 if every message was answered with success, otherwise 1.
    public static func main(_ arguments: [String]) -> Never {
        if arguments.contains("--help") || arguments.contains("-h") {
            write(LoadOptions.usage, to: 1)
            exit(0)
        }
        let options: LoadOptions
        do throws(UsageError) {
            options = try LoadOptions.parse(arguments)
        } catch {
            stop("mqbench: \(error.sentence) (mqbench --help lists the options)")
        }
        let result = LoadRun(options).run()
        let report = Report(options, result)
        write(report.table, to: 1)
        if let path = options.jsonPath { save(report.json, path) }
        let isClean = (result.produce?.isClean ?? true) && (result.consume?.isClean ?? true)
        exit(isClean ? 0 : 1)
    }

    private static func save(_ text: String, _ path: String) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { stop("mqbench: cannot write \(path): \(systemError)") }
        write(text, to: descriptor)
        close(descriptor)
    }
}
