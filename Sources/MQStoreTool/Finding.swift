import MQJSON

/// What is wrong somewhere, by its name in the output. `docs/reference/mqstore.md` says what each means.
enum FindingKind: String, CaseIterable, Sendable {
    case logFileName = "log.file-name"
    case logFileLength = "log.file-length"
    case logHole = "log.hole"
    case logDamaged = "log.damaged"
    case logBodyChecksum = "log.body-checksum"
    case logRecordChecksum = "log.record-checksum"
    case logOwnOffset = "log.own-offset"
    case logQueueOffset = "log.queue-offset"
    case logTopic = "log.topic"
    case logTornEnd = "log.torn-end"
    case logUnreadable = "log.unreadable"
    case queueFileName = "queue.file-name"
    case queueFileLength = "queue.file-length"
    case queueHole = "queue.hole"
    case queueAbsent = "queue.absent"
    case queueDeleted = "queue.deleted"
    case queueMissingUnit = "queue.missing-unit"
    case queueWrongUnit = "queue.wrong-unit"
    case queueWrongTags = "queue.wrong-tags"
    case queueNoRecord = "queue.no-record"
    case queueBehindEnd = "queue.behind-end"
    case queueUnchecked = "queue.unchecked"
    case extensionFileLength = "extension.file-length"
    case extensionMissingUnit = "extension.missing-unit"
    case extensionWrongUnit = "extension.wrong-unit"
    case indexFileName = "index.file-name"
    case indexFileLength = "index.file-length"
    case indexHeader = "index.header"
    case indexChain = "index.chain"
    case indexSlot = "index.slot"
    case indexWrongEntry = "index.wrong-entry"
    case indexMissingKey = "index.missing-key"
    case indexBehindEnd = "index.behind-end"
    case indexUnchecked = "index.unchecked"
    case checkpoint = "checkpoint"
    case abort = "abort"
    case config = "config"
    case consumerOffset = "config.offset"
    case unreadable = "unreadable"
}

/// How much a finding counts.
enum FindingWeight: String, CaseIterable, Sendable {
    /// The store is not what it must be.
    case error
    /// What a killed broker leaves; its next start puts it right.
    case recovery
    /// Worth knowing, and nothing is wrong.
    case note
}

/// One thing found, and where.
struct Finding: Equatable, Sendable {
    let kind: FindingKind
    var weight: FindingWeight
    /// From the store's folder.
    let path: String
    /// Bytes from the file's start.
    let offset: Int64?
    /// What it means, one sentence.
    let text: String

    init(
        _ kind: FindingKind, _ weight: FindingWeight, _ path: String, at offset: Int64? = nil, _ text: String
    ) {
        self.kind = kind
        self.weight = weight
        self.path = path
        self.offset = offset
        self.text = text
    }
}

/// Prints findings as they come, a bounded number of each kind, and counts all of them.
final class FindingReport {
    /// A kind with its weight: what is counted.
    struct Key: Hashable {
        let kind: FindingKind
        let weight: FindingWeight
    }

    private let output: TextOutput
    private let printsJSON: Bool
    /// Findings of one kind that are printed.
    let limit: Int
    private var counts: [Key: Int] = [:]
    /// The findings that were printed, for tests and for what follows.
    private(set) var printed: [Finding] = []

    init(_ output: TextOutput, json: Bool, limit: Int) {
        self.output = output
        printsJSON = json
        self.limit = limit
    }

    /// How many there are of a weight.
    func count(_ weight: FindingWeight) -> Int {
        counts.reduce(0) { $0 + ($1.key.weight == weight ? $1.value : 0) }
    }

    /// Takes a finding; its sentence is only made if it is printed.
    func add(
        _ kind: FindingKind, _ weight: FindingWeight, _ path: String, at offset: Int64? = nil,
        _ text: @autoclosure () -> String
    ) {
        let number = counts[Key(kind: kind, weight: weight), default: 0]
        counts[Key(kind: kind, weight: weight)] = number + 1
        guard number < limit else { return }
        put(Finding(kind, weight, path, at: offset, text()))
    }

    /// Takes an error.
    func add(_ kind: FindingKind, _ path: String, at offset: Int64? = nil, _ text: @autoclosure () -> String) {
        add(kind, .error, path, at: offset, text())
    }

    /// Takes a finding that was kept back, and `more` of its kind that were only counted.
    func add(_ finding: Finding, more: Int = 0) {
        add(finding.kind, finding.weight, finding.path, at: finding.offset, finding.text)
        counts[Key(kind: finding.kind, weight: finding.weight), default: 0] += more
    }

    private func put(_ finding: Finding) {
        printed.append(finding)
        guard printsJSON else {
            let place = finding.offset.map { "\(finding.path) at \($0)" } ?? finding.path
            return output.line("\(finding.weight.rawValue) \(finding.kind.rawValue) \(place): \(finding.text)")
        }
        output.json([
            "finding": .string(finding.kind.rawValue), "weight": .string(finding.weight.rawValue),
            "file": .string(finding.path), "offset": finding.offset.map { .integer($0) } ?? .null,
            "text": .string(finding.text),
        ])
    }

    /// Prints how many of each kind were not printed.
    func finish() {
        for kind in FindingKind.allCases {
            for weight in FindingWeight.allCases {
                let more = counts[Key(kind: kind, weight: weight), default: 0] - limit
                guard more > 0 else { continue }
                if printsJSON {
                    output.json([
                        "finding": .string(kind.rawValue), "weight": .string(weight.rawValue), "more": JSON(more),
                    ])
                } else {
                    output.line("\(weight.rawValue) \(kind.rawValue): and \(grouped(more)) more")
                }
            }
        }
    }
}
