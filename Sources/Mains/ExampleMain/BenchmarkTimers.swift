import MQBase
import MQObserve
import MQProtocol
import MQSystem
import RocketMQClient

// RocketMQ's load programs for messages with a time of delivery.
//
// Source: `org.apache.rocketmq.example.benchmark.timer.TimerProducer` and `TimerConsumer`, 5.3.

/// The property that tells the consumer when the message was due: brokers take theirs out.
private let dueProperty = "MY_RECORD_TIMER_DELIVER_MS"

private let producerOptions = [
    "n": "namesrvAddr", "t": "topic", "tc": "threadCount", "ms": "messageSize", "p": "precisionMs",
    "st": "slotsTotal", "mt": "msgsTotalPerSlotThread", "sd": "slotDis", "b": "beginDelayMs",
]

private let consumerOptions = ["n": "namesrvAddr", "t": "topic", "q": "messageQuantity"]

/// Sends messages for slots of time of which the first comes in two minutes, or in `-b` milliseconds.
func benchmarkTimerProducer(_ arguments: [String]) async throws(ClientError) {
    let options = try BenchmarkOptions(arguments, known: producerOptions)
    let topic = options["t"] ?? "BenchmarkTest"
    let taskCount = try options.number("tc", 16, in: 1...10_000)
    let body = [UInt8](repeating: UInt8(ascii: "a"), count: try options.number("ms", 1024, in: 1...(4 << 20)))
    let due = try dueTimes(options)
    let client = options.client()
    ThisProcess.say(
        "namesrvAddr: \(client.nameServers.joined(separator: ";")), topic: \(topic), threadCount: \(taskCount), "
            + "messageSize: \(body.count), precisionMs: \(try options.number("p", 1000, in: 1...60_000)), "
            + "slotsTotal: \(try options.number("st", 100, in: 1...10_000)), "
            + "msgsTotalPerSlotThread: \(try options.number("mt", 5000, in: 1...1_000_000)), "
            + "slotDis: \(try options.number("sd", 1000, in: 1...3_600_000))")
    var settings = Producer.Options()
    settings.inFlightMax = max(1024, taskCount)
    settings.compressFrom = nil
    try await withProducer("benchmark_producer", settings, client: client) { producer throws(ClientError) in
        ThisProcess.say("Start sending messages")
        await load(
            BenchmarkReport(.timedSend), tasks: taskCount, quantity: taskCount * due.count, every: 10_000
        ) { _, index throws(ClientError) in
            var message = Message(topic: topic, body: body)
            message.properties[dueProperty] = String(due[index])
            message.deliveryTimestamp = due[index]
            try await producer.send(message)
        }
    }
}

/// When each of a task's messages is due, milliseconds since 1970, in no order.
private func dueTimes(_ options: BenchmarkOptions) throws(ClientError) -> [Int64] {
    let precision = Int64(try options.number("p", 1000, in: 1...60_000))
    let slotCount = try options.number("st", 100, in: 1...10_000)
    let countPerSlot = try options.number("mt", 5000, in: 1...1_000_000)
    let distance = Int64(try options.number("sd", 1000, in: 1...3_600_000))
    guard slotCount * countPerSlot <= 10_000_000 else {
        throw .invalid("-st \(slotCount) times -mt \(countPerSlot) is more than 10000000 messages for each thread")
    }
    let delay = Int64(try options.number("b", 120_000, in: 0...86_400_000))
    let first = SystemClock.wall().rawValue / precision * precision + delay + 10
    return (0..<slotCount).flatMap { slot in
        repeatElement(first + Int64(slot) * distance, count: countPerSlot)
    }.shuffled()
}

/// Says how late what the producer sent comes. `-q` ends it after so many messages.
func benchmarkTimerConsumer(_ arguments: [String]) async throws(ClientError) {
    let options = try BenchmarkOptions(arguments, known: consumerOptions)
    let topic = options["t"] ?? "BenchmarkTest"
    let quantity = try options.number("q", 0, in: 0...Int.max)
    let client = options.client()
    ThisProcess.say("namesrvAddr: \(client.nameServers.joined(separator: ";")), topic: \(topic)")
    var settings = ConsumerOptions()
    if quantity > 0 { settings.consumeFromWhere = .firstOffset }
    let consumer = try PushConsumer(group: "benchmark_consumer", options: settings, client: client)
    try await consumer.subscribe(topic)
    let (report, stop) = (BenchmarkReport(.timedConsume), StopSignal())
    let seen = Lock(0)
    try await consumer.start { message, _ in
        // What others sent to the topic was not due at any time.
        guard let due = message.properties[dueProperty].flatMap({ Int64($0) }) else { return .success }
        let late = SystemClock.wall().rawValue - due
        report.count { tally in
            tally.done += 1
            tally.times.record(UInt64(max(0, late)) * 1_000_000)
        }
        let isLast = seen.withLock { seen in
            seen += 1
            return seen == quantity
        }
        if isLast { stop.send() }
        return .success
    }
    ThisProcess.say("Start receiving messages")
    let lines = report.lines(every: 10_000)
    await stop.wait()
    lines.cancel()
    await consumer.shutdown()
    report.sayAll()
}
