import BenchWire

/// What one run of mqbench does, as typed on its command line.
struct LoadOptions: Equatable, Sendable {
    /// Which side of the broker is loaded.
    enum Mode: String, Sendable { case produce, consume, both }
    /// Where a consumer begins: at the oldest message, or behind the newest.
    enum Start: String, Sendable { case min, max }

    var mode = Mode.produce
    /// One of the two is given; a broker's address is asked of the name server.
    var nameServer: Address?
    var broker: Address?
    /// Topics are `<prefix>_0`, `<prefix>_1`, …
    var topicPrefix = "mqbench"
    var topicCount = 1
    /// Queues of each topic.
    var queueCount = 8
    /// Create the topics before the run (code 17).
    var createsTopics = true
    var group = "mqbench_group"
    /// Body bytes of a message.
    var bodyByteCount = 1024
    var connectionCount = 16
    /// Unanswered sends a connection may have.
    var window = 32
    /// Messages per second over all connections (open loop); `nil` sends as answers come (closed loop).
    var rate: Double?
    /// Nanoseconds measured, after the warm-up.
    var duration: Int64 = 10_000_000_000
    /// Nanoseconds of load before measuring.
    var warmup: Int64 = 2_000_000_000
    /// Ends after that many messages instead of after `duration`; nothing is left out as warm-up.
    var messageCount: Int?
    /// SEND_MESSAGE (10) instead of SEND_MESSAGE_V2 (310).
    var usesFirstSendCode = false
    /// Property `WAIT`: whether the broker waits for its flush and slaves before it answers.
    var waitsForStore = true
    /// Further properties of each message, as they are stored: `name \x01 value \x02`, JSON-escaped.
    var properties = ""
    /// Each message is a transaction: a half message and its commit, answered both.
    var isTransactional = false
    /// Consumers pop and acknowledge instead of pulling; a message counts when its ack is answered.
    var pops = false
    /// An SQL92 expression that consumers pull with, JSON-escaped; `nil`: all messages.
    var expression: String?
    /// Messages asked for in one pull.
    var pullMax = 32
    var start: Start?
    /// Processes whose CPU time and memory are reported.
    var watched: [Int32] = []
    /// File for the result as JSON.
    var jsonPath: String?

    init() {}

    /// Names of the topics.
    var topics: [String] { (0..<topicCount).map { "\(topicPrefix)_\($0)" } }
}

/// Why a command line was not understood: one sentence.
struct UsageError: Error, Equatable {
    let sentence: String
}

extension LoadOptions {
    static let usage = """
        usage: mqbench produce|consume|both (--namesrv HOST:PORT | --broker HOST:PORT) [options]
          --topic PREFIX      topics are PREFIX_0, PREFIX_1, … (mqbench)
          --topics N          how many (1)
          --queues N          queues of each topic (8)
          --no-create         the topics exist already
          --group NAME        producer and consumer group (mqbench_group)
          --size BYTES        body of a message, k and m understood (1k)
          --connections N     (16)
          --window N          unanswered sends per connection (32)
          --rate N            messages a second over all, open loop; latency counts from the intended time
          --duration SECONDS  measured (10)
          --warmup SECONDS    before that (2)
          --count N           end after N messages instead; everything is measured
          --v1                send with code 10 instead of 310
          --no-wait           property WAIT=false: the broker need not wait for flush and slaves
          --property K=V      a property of each message, such as TIMER_DELAY_MS=5000; may be repeated
          --transactions      each message is a half message and its commit; counts when the commit is answered
          --pop               consumers pop and acknowledge each message; it counts when its ack is answered
          --sql EXPRESSION    consumers pull by an SQL92 expression
          --pull N            messages a pull (32)
          --from min|max      where a consumer begins (consume: min; both: max)
          --watch PID[,PID]   report CPU per message and memory of these processes
          --json FILE         the result as JSON too

        """

    /// Reads a command line without the program's name.
    static func parse(_ arguments: [String]) throws(UsageError) -> LoadOptions {
        guard let first = arguments.first, let mode = Mode(rawValue: first) else {
            throw UsageError(sentence: "the first word must be produce, consume or both")
        }
        var options = LoadOptions()
        options.mode = mode
        var rest = arguments.dropFirst()
        while let name = rest.popFirst() {
            if try options.setFlag(name) { continue }
            guard setters[name] != nil else { throw UsageError(sentence: "\(name) is not an option") }
            guard let value = rest.popFirst() else { throw UsageError(sentence: "\(name) needs a value") }
            try options.set(name, value)
        }
        try options.check()
        return options
    }

    private mutating func setFlag(_ name: String) throws(UsageError) -> Bool {
        switch name {
        case "--no-create": createsTopics = false
        case "--v1": usesFirstSendCode = true
        case "--no-wait": waitsForStore = false
        case "--transactions": isTransactional = true
        case "--pop": pops = true
        default: return false
        }
        return true
    }

    private typealias Setter = @Sendable (inout LoadOptions, String) -> Bool

    /// Every option with a value; a setter says whether the value was good.
    private static let setters: [String: Setter] = [
        "--namesrv": {
            $0.nameServer = Address($1); return $0.nameServer != nil
        },
        "--broker": {
            $0.broker = Address($1); return $0.broker != nil
        },
        "--topic": {
            $0.topicPrefix = $1; return isName($1)
        },
        "--group": {
            $0.group = $1; return isName($1)
        },
        "--topics": { set(&$0.topicCount, $1, 1...100_000) },
        "--queues": { set(&$0.queueCount, $1, 1...100_000) },
        "--connections": { set(&$0.connectionCount, $1, 1...20_000) },
        "--window": { set(&$0.window, $1, 1...65_536) },
        "--pull": { set(&$0.pullMax, $1, 1...1024) },
        "--size": { options, text in
            guard let count = byteCount(text), (1...4_194_304).contains(count) else { return false }
            options.bodyByteCount = count
            return true
        },
        "--rate": {
            $0.rate = Double($1); return $0.rate.map { $0 > 0 && $0 <= 100_000_000 } ?? false
        },
        "--duration": { set(&$0.duration, seconds: $1) && $0.duration > 0 },
        "--warmup": { set(&$0.warmup, seconds: $1) },
        "--count": {
            $0.messageCount = Int($1); return $0.messageCount.map { $0 > 0 } ?? false
        },
        "--property": { options, text in
            let pair = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard pair.count == 2, isName(pair[0]), isName(pair[1]) else { return false }
            options.properties += pair[0] + "\\u0001" + pair[1] + "\\u0002"
            return true
        },
        "--sql": {
            $0.expression = $1
            // It is written into a header as it is.
            return !$1.isEmpty && $1.utf8.allSatisfy { $0 >= 32 && $0 < 127 && $0 != 34 && $0 != 92 }
        },
        "--from": {
            $0.start = Start(rawValue: $1); return $0.start != nil
        },
        "--watch": { options, text in
            let numbers = text.split(separator: ",").map { Int32($0) ?? 0 }
            options.watched = numbers
            return !numbers.isEmpty && numbers.allSatisfy { $0 > 0 }
        },
        "--json": {
            $0.jsonPath = $1; return !$1.isEmpty
        },
    ]

    private mutating func set(_ name: String, _ value: String) throws(UsageError) {
        guard Self.setters[name]!(&self, value) else {
            throw UsageError(sentence: "\(name) cannot be \"\(value)\"")
        }
    }

    private func check() throws(UsageError) {
        guard (nameServer == nil) != (broker == nil) else {
            throw UsageError(sentence: "give one of --namesrv and --broker")
        }
        guard mode != .both || messageCount == nil else {
            throw UsageError(sentence: "--count works with produce or consume, not with both")
        }
    }

    private static func set(_ target: inout Int, _ text: String, _ range: ClosedRange<Int>) -> Bool {
        guard let value = Int(text), range.contains(value) else { return false }
        target = value
        return true
    }

    private static func set(_ target: inout Int64, seconds text: String) -> Bool {
        guard let value = Double(text), value >= 0, value <= 1_000_000 else { return false }
        target = Int64(value * 1_000_000_000)
        return true
    }

    private static func byteCount(_ text: String) -> Int? {
        let factor = text.hasSuffix("k") ? 1024 : text.hasSuffix("m") ? 1_048_576 : 1
        guard let value = Int(factor == 1 ? text[...] : text.dropLast()) else { return nil }
        let (product, overflow) = value.multipliedReportingOverflow(by: factor)
        return overflow ? nil : product
    }

    /// What RocketMQ takes as a topic or group, short enough for a suffix.
    private static func isName(_ text: String) -> Bool {
        (1...100).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
                    || $0 == 0x5F || $0 == 0x2D || $0 == 0x25
            }
    }
}
