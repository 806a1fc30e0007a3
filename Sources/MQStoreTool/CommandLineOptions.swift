import MQBytes
import MQConfig
import MQSystem

/// The words behind a command: options with and without a value, and the rest.
struct CommandLineOptions {
    private(set) var words: [String] = []
    private var values: [String: String] = [:]

    /// Options of every command that say what the store's folder does not.
    static let common = [
        "-c", "--commit-log", "--log-file-size", "--queue-file-size", "--index-slots", "--index-entries",
    ]

    /// - Throws: ``ToolError`` for an unknown option or one without its value.
    init(_ arguments: some Sequence<String>, values known: [String], flags: [String]) throws(ToolError) {
        var rest = Array(arguments)[...]
        while let word = rest.popFirst() {
            guard word.hasPrefix("-"), word.count > 1 else {
                words.append(word)
                continue
            }
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            if flags.contains(word) {
                values[word] = ""
            } else if known.contains(parts[0]) || Self.common.contains(parts[0]) {
                guard let value = parts.count > 1 ? parts[1] : rest.popFirst() else {
                    throw ToolError("\(word) wants a value")
                }
                values[parts[0]] = value
            } else {
                throw ToolError("unknown option \(word)")
            }
        }
    }

    subscript(_ name: String) -> String? { values[name] }

    func has(_ name: String) -> Bool { values[name] != nil }

    /// A whole number of at least 0.
    func number(_ name: String) throws(ToolError) -> Int64? {
        guard let text = values[name] else { return nil }
        guard let number = Int64(text), number >= 0 else { throw ToolError("\(name) wants a number, not \(text)") }
        return number
    }

    /// What these options and the configuration file of `-c` say about the store.
    func settings() throws(ToolError) -> StoreSettings {
        var settings = StoreSettings()
        if let path = values["-c"] { try Self.read(path, into: &settings) }
        if let path = values["--commit-log"] { settings.commitLogPath = path }
        settings.logFileByteCount = try size("--log-file-size") ?? settings.logFileByteCount
        settings.queueFileByteCount = try size("--queue-file-size") ?? settings.queueFileByteCount
        settings.indexSlotCount = try size("--index-slots") ?? settings.indexSlotCount
        settings.indexEntryCount = try size("--index-entries") ?? settings.indexEntryCount
        if let size = settings.queueFileByteCount, size % 20 != 0 {
            throw ToolError("a queue's file has \(size) bytes: it must be a multiple of 20")
        }
        return settings
    }

    private func size(_ name: String) throws(ToolError) -> Int? {
        guard let number = try number(name) else { return nil }
        guard (1..<(1 << 40)).contains(number) else { throw ToolError("\(name) is out of range: \(number)") }
        return Int(number)
    }

    /// Reads the keys of a broker's file that shape the store.
    private static func read(_ path: String, into settings: inout StoreSettings) throws(ToolError) {
        let properties: [Property]
        do {
            let bytes = try File(path, .read).readAll(limit: 1 << 20)
            properties = try PropertiesText.parse(bytes.span.toString())
        } catch {
            throw ToolError("cannot read \(path): \(error)")
        }
        for property in properties {
            func number() throws(ToolError) -> Int {
                guard let number = Int(property.value), (1..<(1 << 40)).contains(number) else {
                    throw ToolError("\(path):\(property.line): \(property.key)=\(property.value) is no size")
                }
                return number
            }
            switch property.key {
            case "storePathCommitLog": settings.commitLogPath = property.value
            case "mappedFileSizeCommitLog": settings.logFileByteCount = try number()
            case "mappedFileSizeConsumeQueue": settings.queueFileByteCount = try number()
            case "mapperFileSizeBatchConsumeQueue": settings.batchQueueFileByteCount = try number()
            case "mappedFileSizeConsumeQueueExt": settings.extensionFileByteCount = try number()
            case "maxHashSlotNum": settings.indexSlotCount = try number()
            case "maxIndexNum": settings.indexEntryCount = try number()
            case "messageIndexEnable": settings.isIndexEnabled = property.value != "false"
            case "messageDelayLevel":
                guard let levels = delayLevels(property.value) else {
                    throw ToolError("\(path):\(property.line): messageDelayLevel=\(property.value) is no list of times")
                }
                settings.delayLevels = levels
            default: break
            }
        }
    }

    /// `1s 5m 2h 1d` in milliseconds.
    static func delayLevels(_ text: String) -> [Int64]? {
        var levels: [Int64] = []
        for word in text.split(separator: " ") {
            let units: [Character: Int64] = ["s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]
            guard let unit = word.last.flatMap({ units[$0] }), let count = Int64(word.dropLast()), count >= 0,
                count < 1 << 32
            else { return nil }
            levels.append(count * unit)
        }
        return levels.isEmpty ? nil : levels
    }
}
