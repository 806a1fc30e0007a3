import MQBase
import MQObserve
import MQProtocol
import MQSystem
import RocketMQClient

/// RocketMQ's load programs: the same options and lines, with percentiles behind them.
///
/// Source: `org.apache.rocketmq.example.benchmark.Producer` and `Consumer`, 5.3.
struct BenchmarkOptions: Equatable {
    var values: [String: String] = [:]

    /// Reads `-t topic -w 64 …`; long names have two dashes.
    /// - Throws: `invalid` with the option that is not known or has no value.
    init(_ arguments: [String], known: [String: String]) throws(ClientError) {
        var rest = arguments[...]
        while let word = rest.popFirst() {
            guard word.hasPrefix("-") else { throw .invalid("\(word) is no option; options begin with a dash") }
            let name = String(word.drop { $0 == "-" })
            guard let short = known[name] != nil ? name : known.first(where: { $0.value == name })?.key else {
                let list = known.sorted { $0.key < $1.key }.map { "-\($0.key) \($0.value)" }.joined(separator: ", ")
                throw .invalid("there is no option \(word); there are \(list)")
            }
            guard let value = rest.popFirst() else { throw .invalid("the option \(word) has no value behind it") }
            values[short] = value
        }
    }

    func number(_ name: String, _ standard: Int, in range: ClosedRange<Int>) throws(ClientError) -> Int {
        guard let text = values[name] else { return standard }
        guard let number = Int(text), range.contains(number) else {
            throw .invalid("-\(name) \(text) is no number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func isOn(_ name: String) -> Bool { values[name]?.lowercased() == "true" }

    func client() -> ClientOptions {
        var client = ClientOptions(nameServers: values["n"])
        client.namespace = values["x"]
        if isOn("a") {
            client.credentials = Credentials(
                accessKey: values["ak"] ?? "rocketmq2", secretKey: values["sk"] ?? "12345678")
        }
        return client
    }
}

private let producerOptions = [
    "n": "namesrvAddr", "t": "topic", "w": "threadCount", "s": "messageSize", "k": "keyEnable", "p": "propertySize",
    "l": "tagCount", "m": "msgTraceEnable", "q": "messageQuantity", "d": "delayEnable", "e": "delayLevel",
    "y": "asyncEnable", "c": "threadCount", "ri": "reportInterval", "x": "namespace",
    "a": "aclEnable", "ak": "accessKey", "sk": "secretKey",
]
private let consumerOptions = [
    "n": "namesrvAddr", "t": "topic", "g": "group", "w": "threadCount", "p": "groupPrefixEnable",
    "m": "msgTraceEnable", "q": "messageQuantity", "ri": "reportInterval", "x": "namespace", "e": "expression",
    "a": "aclEnable", "ak": "accessKey", "sk": "secretKey",
]

/// What one interval brought.
private struct Tally {
    var done = 0
    var sendFailed = 0
    var responseFailed = 0
    var times = Histogram()
    /// From the broker's storing to here, for consumers.
    var storeTimes = Histogram()
}

/// What one task saw since it told last: a histogram for each task would cost more than the sends.
private struct Samples {
    static let max = 128
    var done = 0
    var sendFailed = 0
    var responseFailed = 0
    var times: [UInt64] = []

    init() { times.reserveCapacity(Self.max) }

    mutating func removeAll() {
        (done, sendFailed, responseFailed) = (0, 0, 0)
        times.removeAll(keepingCapacity: true)
    }
}

func benchmarkProducer(_ arguments: [String]) async throws(ClientError) {
    let options = try BenchmarkOptions(arguments, known: producerOptions)
    let topic = options.values["t"] ?? "BenchmarkTest"
    let taskCount = try options.number("w", try options.number("c", 64, in: 1...10_000), in: 1...10_000)
    let size = try options.number("s", 128, in: 1...(4 << 20))
    let quantity = try options.number("q", 0, in: 0...Int.max)
    let propertySize = try options.number("p", 0, in: 0...32_000)
    let tagCount = try options.number("l", 0, in: 0...1_000_000)
    let delayLevel = options.isOn("d") ? try options.number("e", 1, in: 1...18) : nil
    let interval = try options.number("ri", 10_000, in: 100...3_600_000)
    ThisProcess.say(
        "topic: \(topic), threadCount: \(taskCount), messageSize: \(size), keyEnable: \(options.isOn("k")), "
            + "propertySize: \(propertySize), tagCount: \(tagCount), traceEnable: \(options.isOn("m")), "
            + "messageQuantity: \(quantity), delayEnable: \(delayLevel != nil), delayLevel: \(delayLevel ?? 1), "
            + "asyncEnable: \(options.isOn("y")), reportInterval: \(interval)")
    var settings = Producer.Options()
    settings.compressFrom = nil  // as Java's: what is measured is what was asked for
    settings.inFlightMax = max(1024, taskCount)
    if options.isOn("m") { settings.trace = TraceOptions() }
    let tally = Lock(Tally())
    let total = Lock(Tally())
    let stop = StopSignal()
    let begun = SystemClock.now()
    let isOver = Lock(false)
    let hasKeys = options.isOn("k")
    try await withProducer("benchmark_producer", settings, client: options.client()) { producer throws(ClientError) in
        _ = try await producer.queues(of: topic)
        let body = [UInt8](repeating: UInt8(ascii: "a"), count: size)
        let filler = String(repeating: "a", count: 16)
        let reporter = Task {
            while await pauseFor(milliseconds: interval) { report(tally, total, begun: begun, "Send") }
        }
        let watcher = Task {
            await stop.wait()
            isOver.withLock { $0 = true }
        }
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<taskCount {
                let share = quantity / taskCount + (task < quantity % taskCount ? 1 : 0)
                // What is measured is the client: its tasks run where its answers come in.
                group.addTask(executorPreference: producer.link.executor) {
                    var index = 0
                    var batch = Samples()
                    var flushed = SystemClock.now()
                    while quantity == 0 || index < share {
                        if index % 64 == 0, isOver.withLock({ $0 }) { break }
                        var message = Message(topic: topic, body: body)
                        if hasKeys { message.keys = ["\(task)-\(index)"] }
                        if tagCount > 0 { message.tags = "tag\(index % tagCount)" }
                        if propertySize > 0 { fill(&message, propertySize, filler) }
                        message.delayLevel = delayLevel
                        let start = SystemClock.now()
                        do throws(ClientError) {
                            _ = try await producer.send(message)
                            batch.done += 1
                        } catch .refused {
                            batch.responseFailed += 1
                        } catch {
                            batch.sendFailed += 1
                            _ = await pauseFor(milliseconds: 1000)
                        }
                        let end = SystemClock.now()
                        batch.times.append(UInt64(max(0, end.nanoseconds - start.nanoseconds)))
                        index += 1
                        if batch.times.count == Samples.max || end.nanoseconds - flushed.nanoseconds > 200_000_000 {
                            tally.withLock { $0.add(batch) }
                            batch.removeAll()
                            flushed = end
                        }
                    }
                    tally.withLock { [batch] in $0.add(batch) }
                }
            }
            await group.waitForAll()
        }
        reporter.cancel()
        watcher.cancel()
        report(tally, total, begun: begun, "Send", isLast: true)
    }
}

func benchmarkConsumer(_ arguments: [String]) async throws(ClientError) {
    let options = try BenchmarkOptions(arguments, known: consumerOptions)
    let topic = options.values["t"] ?? "BenchmarkTest"
    var group = options.values["g"] ?? "benchmark_consumer"
    if options.values["p"] == nil || options.isOn("p") { group += "_\(SystemClock.wall().rawValue % 100)" }
    let quantity = try options.number("q", 0, in: 0...Int.max)
    let interval = try options.number("ri", 10_000, in: 100...3_600_000)
    var settings = ConsumerOptions()
    settings.handlersMax = try options.number("w", 20, in: 1...1000)
    if quantity > 0 { settings.consumeFromWhere = .firstOffset }
    if options.isOn("m") { settings.trace = TraceOptions() }
    ThisProcess.say(
        "topic: \(topic), threadCount \(settings.handlersMax), group: \(group), suffix: \(options.values["p"] ?? "true"), "
            + "filterType: TAG, expression: \(options.values["e"] ?? "*"), msgTraceEnable: \(options.isOn("m"))")
    let consumer = try PushConsumer(group: group, options: settings, client: options.client())
    try await consumer.subscribe(topic, options.values["e"] ?? "*")
    let (tally, total, stop, begun) = (Lock(Tally()), Lock(Tally()), StopSignal(), SystemClock.now())
    let seen = Lock(0)
    try await consumer.start { message, _ in
        let now = SystemClock.wall().rawValue
        tally.withLock { tally in
            tally.done += 1
            tally.times.record(UInt64(max(0, now - message.bornTimestamp.rawValue)) * 1_000_000)
            tally.storeTimes.record(UInt64(max(0, now - message.storeTimestamp.rawValue)) * 1_000_000)
        }
        let isLast = seen.withLock { seen in
            seen += 1
            return seen == quantity
        }
        if isLast { stop.send() }
        return .success
    }
    ThisProcess.say("Consumer Started.")
    let reporter = Task {
        while await pauseFor(milliseconds: interval) { report(tally, total, begun: begun, "Consume") }
    }
    await stop.wait()
    reporter.cancel()
    await consumer.shutdown()
    report(tally, total, begun: begun, "Consume", isLast: true)
}

/// `count` bytes of properties, as Java's adds them.
private func fill(_ message: inout Message, _ byteCount: Int, _ filler: String) {
    var left = byteCount
    var index = 0
    while left > 0 {
        message.properties["prop\(index)"] = String(filler.prefix(left))
        left -= filler.utf8.count
        index += 1
    }
}

extension Tally {
    fileprivate mutating func add(_ samples: Samples) {
        done += samples.done
        sendFailed += samples.sendFailed
        responseFailed += samples.responseFailed
        for time in samples.times { times.record(time) }
    }

    fileprivate mutating func add(_ other: Tally) {
        done += other.done
        sendFailed += other.sendFailed
        responseFailed += other.responseFailed
        times.merge(other.times)
        storeTimes.merge(other.storeTimes)
    }
}

/// Prints the interval's line; the last one is of everything.
private func report(
    _ tally: Lock<Tally>, _ total: Lock<Tally>, begun: Instant, _ what: String, isLast: Bool = false
) {
    let now = SystemClock.now()
    let interval = tally.withLock { tally in
        defer { tally = Tally() }
        return tally
    }
    let since = lastReport.withLock { last in
        defer { last = now }
        return max(last.nanoseconds, begun.nanoseconds)
    }
    let all = total.withLock { total in
        total.add(interval)
        return total
    }
    if !isLast || interval.done > 0 {
        ThisProcess.say(line(interval, seconds: Double(now.nanoseconds - since) / 1e9, what))
    }
    if isLast {
        let seconds = Double(now.nanoseconds - begun.nanoseconds) / 1e9
        ThisProcess.say("[Complete] \(what) Total: \(all.done) | " + line(all, seconds: seconds, what))
    }
}

private let lastReport = Lock(Instant(nanoseconds: 0))

private func line(_ tally: Tally, seconds: Double, _ what: String) -> String {
    let rate = Int(Double(tally.done) / max(seconds, 1e-9))
    let time = SystemClock.localText(SystemClock.wall())
    func milliseconds(_ nanoseconds: UInt64) -> String { fixed(Double(nanoseconds) / 1e6) }
    let times = tally.times
    let percentiles =
        " | p50(ms): \(milliseconds(times.percentile(50))) | p99(ms): \(milliseconds(times.percentile(99)))"
        + " | p99.9(ms): \(milliseconds(times.percentile(99.9)))"
    if what == "Send" {
        return "Current Time: \(time) | Send TPS: \(rate) | Max RT(ms): \(times.max / 1_000_000) | "
            + "Average RT(ms): \(fixed(times.mean / 1e6)) | Send Failed: \(tally.sendFailed) | "
            + "Response Failed: \(tally.responseFailed)" + percentiles
    }
    return "Current Time: \(time) | Consume TPS: \(rate) | AVG(B2C) RT(ms): \(fixed(times.mean / 1e6)) | "
        + "AVG(S2C) RT(ms): \(fixed(tally.storeTimes.mean / 1e6)) | MAX(B2C) RT(ms): \(times.max / 1_000_000) | "
        + "MAX(S2C) RT(ms): \(tally.storeTimes.max / 1_000_000) | Consume Fail: \(tally.responseFailed)" + percentiles
}

/// `%7.3f`.
private func fixed(_ value: Double) -> String {
    let thousandths = Int((value * 1000).rounded())
    let fraction = String(thousandths % 1000)
    let text = "\(thousandths / 1000)." + String(repeating: "0", count: 3 - fraction.count) + fraction
    return String(repeating: " ", count: max(0, 7 - text.count)) + text
}

/// Waits; `false` if the task was cancelled meanwhile.
private func pauseFor(milliseconds: Int) async -> Bool {
    do {
        try await Task.sleep(for: .milliseconds(milliseconds))
        return true
    } catch {
        return false
    }
}
