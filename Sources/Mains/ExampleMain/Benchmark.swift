import MQBase
import MQObserve
import MQProtocol
import MQSystem
import RocketMQClient

// RocketMQ's load programs for single messages: the same options and lines, with percentiles behind them.
//
// Source: `org.apache.rocketmq.example.benchmark.Producer` and `Consumer`, 5.3.

private let producerOptions = BenchmarkOptions.sending.merging(BenchmarkOptions.shaping) { $1 }.merging([
    "d": "delayEnable", "e": "delayLevel", "y": "asyncEnable",
]) { $1 }

private let consumerOptions = [
    "n": "namesrvAddr", "t": "topic", "g": "group", "w": "threadCount", "p": "groupPrefixEnable", "f": "filterType",
    "e": "expression", "r": "failRate", "m": "msgTraceEnable", "q": "messageQuantity", "ri": "reportInterval",
    "x": "namespace", "a": "aclEnable", "ak": "accessKey", "sk": "secretKey",
]

/// How the messages of a load program look.
struct BenchmarkMessages: Sendable {
    let topic: String
    let body: [UInt8]
    let hasKeys: Bool
    let tagCount: Int
    let propertySize: Int
    private static let filler = String(repeating: "a", count: 16)

    init(_ options: BenchmarkOptions) throws(ClientError) {
        topic = options["t"] ?? "BenchmarkTest"
        body = [UInt8](repeating: UInt8(ascii: "a"), count: try options.number("s", 128, in: 1...(4 << 20)))
        hasKeys = options.isOn("k")
        tagCount = try options.number("l", 0, in: 0...1_000_000)
        propertySize = try options.number("p", 0, in: 0...32_000)
    }

    /// The `index`-th message of a task.
    func message(_ task: Int, _ index: Int) -> Message {
        var message = Message(topic: topic, body: body)
        if hasKeys { message.keys = ["\(task)-\(index)"] }
        if tagCount > 0 { message.tags = "tag\(index % tagCount)" }
        if propertySize > 0 { fill(&message) }
        return message
    }

    /// Adds properties, as Java's does.
    private func fill(_ message: inout Message) {
        var left = propertySize
        var index = 0
        while left > 0 {
            message.properties["prop\(index)"] = String(Self.filler.prefix(left))
            left -= Self.filler.utf8.count
            index += 1
        }
    }
}

func benchmarkProducer(_ arguments: [String]) async throws(ClientError) {
    let options = try BenchmarkOptions(arguments, known: producerOptions)
    let messages = try BenchmarkMessages(options)
    let taskCount = try options.number("w", 64, in: 1...10_000)
    let quantity = try options.number("q", 0, in: 0...Int.max)
    let delayLevel = options.isOn("d") ? try options.number("e", 1, in: 1...18) : nil
    let interval = try options.number("ri", 10_000, in: 100...3_600_000)
    ThisProcess.say(
        "topic: \(messages.topic), threadCount: \(taskCount), messageSize: \(messages.body.count), "
            + "keyEnable: \(messages.hasKeys), propertySize: \(messages.propertySize), tagCount: \(messages.tagCount), "
            + "traceEnable: \(options.isOn("m")), aclEnable: \(options.isOn("a")), messageQuantity: \(quantity), "
            + "delayEnable: \(delayLevel != nil), delayLevel: \(delayLevel ?? 1), asyncEnable: \(options.isOn("y"))\n"
            + " compressEnable: \(options.isOn("c")), reportInterval: \(interval)")
    let settings = try options.producer(tasks: taskCount)
    if options.isOn("c") {
        ThisProcess.say("compressType: \(options["ct"] ?? "ZLIB") compressLevel: \(settings.compressLevel)")
    }
    let isOver = BenchmarkEnd()
    try await withProducer("benchmark_producer", settings, client: options.client()) { producer throws(ClientError) in
        _ = try await producer.queues(of: messages.topic)
        let report = BenchmarkReport(.send)
        let lines = report.lines(every: interval)
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<taskCount {
                let share = quantity / taskCount + (task < quantity % taskCount ? 1 : 0)
                // What is measured is the client: its tasks run where its answers come in.
                group.addTask(executorPreference: producer.link.executor) {
                    var index = 0
                    var batch = BenchmarkSamples()
                    var flushed = SystemClock.now()
                    while quantity == 0 || index < share {
                        if index % 64 == 0, isOver.isReached { break }
                        var message = messages.message(task, index)
                        if delayLevel != nil { message.delayLevel = delayLevel }
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
                        if batch.times.count == BenchmarkSamples.max
                            || end.nanoseconds - flushed.nanoseconds > 200_000_000
                        {
                            report.count { $0.add(batch) }
                            batch.removeAll()
                            flushed = end
                        }
                    }
                    report.count { $0.add(batch) }
                }
            }
            await group.waitForAll()
        }
        lines.cancel()
        report.sayAll()
    }
}

/// Raised when the process is told to end.
final class BenchmarkEnd: Sendable {
    private let state = Lock(false)

    init() {
        let stop = StopSignal()
        Task {
            await stop.wait()
            state.withLock { $0 = true }
        }
    }

    var isReached: Bool { state.withLock { $0 } }
}

func benchmarkConsumer(_ arguments: [String]) async throws(ClientError) {
    let options = try BenchmarkOptions(arguments, known: consumerOptions)
    let topic = options["t"] ?? "BenchmarkTest"
    var group = options["g"] ?? "benchmark_consumer"
    let hasSuffix = options["p"] == nil || options.isOn("p")
    if hasSuffix { group += "_\(SystemClock.wall().rawValue % 100)" }
    let quantity = try options.number("q", 0, in: 0...Int.max)
    let interval = try options.number("ri", 10_000, in: 100...3_600_000)
    let failShare = try options.share("r")
    var settings = ConsumerOptions()
    settings.handlersMax = try options.number("w", 20, in: 1...1000)
    if quantity > 0 { settings.consumeFromWhere = .firstOffset }
    if options.isOn("m") { settings.trace = TraceOptions() }
    ThisProcess.say(
        "topic: \(topic), threadCount \(settings.handlersMax), group: \(group), suffix: \(hasSuffix), "
            + "filterType: \(options["f"] ?? "null"), expression: \(options["e"] ?? "null"), "
            + "msgTraceEnable: \(options.isOn("m")), aclEnable: \(options.isOn("a")), reportInterval: \(interval)")
    let consumer = try PushConsumer(group: group, options: settings, client: options.client())
    try await subscribe(consumer, topic, options)
    let (report, stop) = (BenchmarkReport(.consume), StopSignal())
    let seen = Lock(0)
    try await consumer.start { message, _ in
        let now = SystemClock.wall().rawValue
        let fails = failShare > 0 && Double.random(in: 0..<1) < failShare
        report.count { tally in
            tally.done += 1
            if fails { tally.responseFailed += 1 }
            tally.times.record(UInt64(max(0, now - message.bornTimestamp.rawValue)) * 1_000_000)
            tally.storeTimes.record(UInt64(max(0, now - message.storeTimestamp.rawValue)) * 1_000_000)
        }
        let isLast = seen.withLock { seen in
            seen += 1
            return seen == quantity
        }
        if isLast { stop.send() }
        return fails ? .later() : .success
    }
    ThisProcess.say("Consumer Started.")
    let lines = report.lines(every: interval)
    await stop.wait()
    lines.cancel()
    await consumer.shutdown()
    report.sayAll()
}

/// Wants what `-f` and `-e` say: the expression is in the file of that name, or the text itself.
private func subscribe(
    _ consumer: PushConsumer, _ topic: String, _ options: BenchmarkOptions
) async throws(ClientError) {
    guard let text = options["e"] else { return try await consumer.subscribe(topic) }
    var expression = text
    do throws(SystemError) {
        if let bytes = try File.contents(of: text, limit: 1 << 20) {
            expression = String(decoding: bytes, as: UTF8.self)
        }
    } catch {
        throw .invalid("-e \(text): \(error)")
    }
    expression = String(expression.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    switch options["f"] ?? "TAG" {
    case "TAG":
        ThisProcess.say("Expression: \(expression)")
        try await consumer.subscribe(topic, expression)
    case "SQL92":
        ThisProcess.say("Expression: \(expression)")
        try await consumer.subscribe(topic, sql: expression)
    case let other: throw .invalid("Not support filter type! \(other); there are TAG and SQL92")
    }
}
