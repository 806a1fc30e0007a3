/// Something that must not stand where it stands.
struct Finding: Equatable, CustomStringConvertible {
    let path: String
    let line: Int
    let what: String

    var description: String { "\(path):\(line): \(what)" }
}

/// The checks on one file of `module`. Each is a pure function, so that a test can show that it fires.
struct Checks {
    let table: ModuleTable

    /// Modules that may hold unsafe code, and why.
    static let unsafeModules: [String: String] = [
        "MQSystem": "system calls and mappings",
        "MQBytes": "buffers under everything else",
        "MQTransport": "sockets and loops",
        "MQCompression": "wraps zlib, LZ4 and zstd",
        "MQCrypto": "wraps libcrypto",
        "MQTLS": "wraps libssl",
        "MQObserve": "writes log files, beside MQSystem and not above it",
    ]

    /// Modules that may print: they talk to a person at a terminal.
    static let printingModules: Set<String> = ["MQAdmin", "MQBench"]

    func all(_ source: SourceText, of module: String) -> [Finding] {
        imports(source, of: module) + unsafeCode(source, of: module) + bannedCalls(source, of: module)
            + lockedFunctions(source)
    }

    /// Imports that the module table does not allow.
    func imports(_ source: SourceText, of module: String) -> [Finding] {
        let allowed = table.importable(by: module).union([module])
        return source.imports.filter { !allowed.contains($0.module) }.map {
            Finding(path: source.path, line: $0.line, what: "\(module) may not import \($0.module)")
        }
    }

    /// Unsafe code above the bottom; at the bottom, promises to the compiler without their reason.
    func unsafeCode(_ source: SourceText, of module: String) -> [Finding] {
        var findings: [Finding] = []
        let isBottom = Self.unsafeModules[module] != nil
        for (index, line) in source.code.enumerated() where line.contains("un") {
            func note(_ what: String) { findings.append(Finding(path: source.path, line: index + 1, what: what)) }
            let words = words(of: line)
            if words.contains("unchecked") {
                if !isBottom {
                    note("@unchecked Sendable outside the bottom modules")
                } else if !source.says("@unchecked", near: index) {
                    note("@unchecked Sendable without a comment `@unchecked: …` that names the rule that makes it true")
                }
            }
            if words.contains("unsafe"), !isBottom {
                note(
                    "\(words.contains("nonisolated") ? "nonisolated(unsafe)" : "unsafe code") outside the bottom modules"
                )
            }
        }
        return findings
    }

    /// Locks whose value is a function: each look at it wraps it once more, until calling it overflows the stack.
    func lockedFunctions(_ source: SourceText) -> [Finding] {
        source.code.enumerated().filter { $1.contains(/\b(Lock|Monitor)<\(*(@Sendable|@escaping|\([^<>]*\) *->)/) }.map
        {
            Finding(path: source.path, line: $0.offset + 1, what: "a lock on a function: put it into a struct")
        }
    }

    /// Calls that have a named replacement here, by the word that gives them away.
    private static let replacements: [String: String] = [
        "NSLock": "NSLock: Mutex",
        "DispatchQueue": "DispatchQueue: the threads of ARCHITECTURE.md",
        "fatalError": "fatalError: a typed error, or a precondition with its values",
    ]

    /// Calls that have a named replacement here.
    func bannedCalls(_ source: SourceText, of module: String) -> [Finding] {
        let mayPrint = Self.printingModules.contains(module) || table.modules[module]?.layer == 5
        var findings: [Finding] = []
        for (index, line) in source.code.enumerated() where !line.isEmpty {
            func note(_ what: String) { findings.append(Finding(path: source.path, line: index + 1, what: what)) }
            for word in words(of: line) {
                if let replacement = Self.replacements[String(word)] { note(replacement) }
                switch word {
                case "Thread" where line.contains("Thread.sleep"): note("Thread.sleep: wait for an event or a timer")
                case "Date" where line.contains("Date()"): note("Date(): the clock that is passed in")
                case "try" where line.contains("try!"): note("try!: a typed error, or a precondition with its values")
                case "print", "debugPrint", "dump":
                    let isCall = line.contains(/(^|[^.\w])(print|debugPrint|dump)\(/) && !line.contains("func ")
                    if isCall, !mayPrint { note("print: a log event, or return the text to the executable") }
                default: break
                }
            }
        }
        return findings
    }
}

extension SourceText {
    /// Whether a comment within eight lines of line `index` (0-based) contains `word`.
    func says(_ word: String, near index: Int) -> Bool {
        comments[max(0, index - 8)..<min(comments.count, index + 9)].contains { $0.contains(word) }
    }
}
