import MQJSON
import MQSystem

/// `mqstore`, and `apus store`: looks at a store's folder and repairs it.
public enum StoreCommand {
    static let usage = """
        usage: mqstore verify DIR [--json] [--fast] [--live] [--limit N]
               mqstore dump DIR log [--from OFFSET] [--to OFFSET] [--topic T] [--queue N] [--key K] [--limit N]
                                    [--body text|hex] [--json]
               mqstore dump DIR queue [--topic T] [--queue N] [--from N] [--to N] [--limit N] [--json]
               mqstore dump DIR index [--topic T --key K] [--from OFFSET] [--to OFFSET] [--limit N] [--json]
               mqstore dump DIR checkpoint|config [--json]
               mqstore repair DIR [--yes] [--skip-damaged]
               mqstore stat DIR [--json] [--deep]
        DIR is storePathRootDir. What it does not tell, these do:
         -c FILE                a broker's configuration file: its sizes, storePathCommitLog, messageDelayLevel
         --commit-log DIR       storePathCommitLog, if it is not DIR/commitlog; several with commas between them
         --log-file-size N      mappedFileSizeCommitLog, bytes
         --queue-file-size N    mappedFileSizeConsumeQueue, bytes
         --index-slots N, --index-entries N    maxHashSlotNum, maxIndexNum
        exit codes: 0 sound or done, 1 inconsistencies, 2 could not run
        """

    /// Runs the command that `arguments` (without the program's name) ask for.
    /// - Returns: the exit code: 0, 1 if the store is not sound, 2 after one sentence on standard error.
    public static func run(_ arguments: [String]) -> Int32 {
        run(arguments, output: { ThisProcess.put($0) }, complain: { ThisProcess.complain(printable($0)) })
    }

    static func run(
        _ arguments: [String], output write: @escaping (String) -> Void, complain: (String) -> Void
    ) -> Int32 {
        guard let command = arguments.first, !["help", "-h", "--help"].contains(command) else {
            write(usage + "\n")
            return arguments.isEmpty ? 2 : 0
        }
        let output = TextOutput(write)
        do throws(ToolError) {
            let rest = arguments.dropFirst()
            let code: Int32
            switch command {
            case "verify": code = try verify(rest, output)
            case "dump": code = try dumpPart(rest, output)
            case "repair": code = try repair(rest, output)
            case "stat": code = try stat(rest, output)
            default: throw ToolError("unknown command \(command); mqstore help lists them")
            }
            output.flush()
            return code
        } catch {
            output.flush()
            complain("mqstore: \(error)")
            return 2
        }
    }

    /// The one folder that the words name.
    private static func folder(_ options: CommandLineOptions, words: Int = 1) throws(ToolError) -> StoreFolder {
        guard options.words.count == words, let root = options.words.first else {
            throw ToolError(options.words.isEmpty ? "which folder? mqstore help says how" : "too many or too few words")
        }
        return try StoreFolder(
            root.count > 1 && root.hasSuffix("/") ? String(root.dropLast()) : root, options.settings())
    }

    // MARK: - Commands

    private static func verify(_ words: ArraySlice<String>, _ output: TextOutput) throws(ToolError) -> Int32 {
        let options = try CommandLineOptions(words, values: ["--limit"], flags: ["--json", "--fast", "--live"])
        let folder = try folder(options)
        if let holder = try folder.lockHolder() {
            guard options.has("--live") else {
                throw ToolError(
                    "a broker (process \(holder)) has \(folder.root) open: stop it, or say --live and take what changes "
                        + "meanwhile for what it is")
            }
            ThisProcess.complain(
                "mqstore: a broker has this store open: what it deletes or writes meanwhile may look wrong")
        }
        var verify = Verify.Options()
        verify.isFast = options.has("--fast")
        verify.isLive = options.has("--live")
        verify.printsJSON = options.has("--json")
        if let limit = try options.number("--limit") { verify.limit = Int(min(limit, 1_000_000)) }
        let outcome = try Verify(folder: folder, options: verify, output: output).run()
        printSummary(outcome, verify, output)
        return outcome.exitCode
    }

    private static func printSummary(_ outcome: Verify.Outcome, _ options: Verify.Options, _ output: TextOutput) {
        let (report, end) = (outcome.report, outcome.end)
        let (errors, recoveries, notes) = (report.count(.error), report.count(.recovery), report.count(.note))
        if options.printsJSON {
            return output.json([
                "sound": .bool(errors == 0), "errors": JSON(errors), "recovery": JSON(recoveries), "notes": JSON(notes),
                "logEnd": .integer(end.offset), "records": JSON(end.recordCount),
                "recordBytes": .integer(end.recordByteCount), "units": JSON(outcome.unitCount),
                "entries": JSON(outcome.entryCount), "readBytes": JSON(outcome.byteCount),
                "milliseconds": .integer(outcome.milliseconds),
            ])
        }
        output.line(
            "\(grouped(end.recordCount)) records (\(bytesText(Int(end.recordByteCount)))) up to \(end.offset), "
                + "\(grouped(outcome.unitCount)) queue units, \(grouped(outcome.entryCount)) index entries; read "
                + "\(bytesText(outcome.byteCount)) in \(seconds(outcome.milliseconds)) s")
        let scope = options.isFast ? " (only the end of the log was looked at)" : ""
        if errors > 0 {
            output.line("not sound: \(grouped(errors)) inconsistencies\(scope)")
        } else if recoveries > 0 {
            output.line("sound, and a broker's next start puts \(grouped(recoveries)) things right\(scope)")
        } else {
            output.line("sound\(scope)")
        }
    }

    static func seconds(_ milliseconds: Int64) -> String {
        let tenths = (milliseconds &+ 50) / 100
        return "\(tenths / 10).\(tenths % 10)"
    }

    private static func dumpPart(_ words: ArraySlice<String>, _ output: TextOutput) throws(ToolError) -> Int32 {
        let options = try CommandLineOptions(
            words, values: ["--from", "--to", "--topic", "--queue", "--key", "--limit", "--body"], flags: ["--json"])
        guard options.words.count == 2 else { throw ToolError("dump wants a folder and what to dump of it") }
        var filter = Dump.Filter()
        filter.from = try options.number("--from") ?? filter.from
        filter.to = try options.number("--to") ?? filter.to
        filter.topic = options["--topic"]
        filter.queueID = try options.number("--queue").map { Int($0) }
        filter.key = options["--key"]
        filter.limit = try options.number("--limit").map { Int($0) } ?? filter.limit
        filter.printsJSON = options.has("--json")
        if let text = options["--body"] {
            guard let form = Dump.BodyForm(rawValue: text) else {
                throw ToolError("--body wants text or hex, not \(text)")
            }
            filter.body = form
        }
        try Dump(folder: try folder(options, words: 2), filter: filter, output: output).run(options.words[1])
        return 0
    }

    private static func repair(_ words: ArraySlice<String>, _ output: TextOutput) throws(ToolError) -> Int32 {
        let options = try CommandLineOptions(words, values: [], flags: ["--yes", "--skip-damaged"])
        let repair = Repair(
            folder: try folder(options), mayCut: options.has("--yes"), skipsDamaged: options.has("--skip-damaged"),
            output: output)
        return try repair.run() ? 0 : 1
    }

    private static func stat(_ words: ArraySlice<String>, _ output: TextOutput) throws(ToolError) -> Int32 {
        let options = try CommandLineOptions(words, values: [], flags: ["--json", "--deep"])
        let stat = Stat(folder: try folder(options), isDeep: options.has("--deep"), output: output)
        let result = try stat.run()
        if options.has("--json") { stat.printJSON(result) } else { stat.print(result) }
        return 0
    }
}
