import MQBase
import MQObserve
import MQSystem
import RocketMQClient

private let batchOptions = BenchmarkOptions.sending.merging(BenchmarkOptions.shaping) { $1 }
    .merging(["n": "namesrv", "b": "batchSize"]) { $1 }

/// RocketMQ's load program for batches. `-q` ends it after so many batches.
///
/// Source: `org.apache.rocketmq.example.benchmark.BatchProducer`, 5.3.
func benchmarkBatchProducer(_ arguments: [String]) async throws(ClientError) {
    let options = try BenchmarkOptions(arguments, known: batchOptions)
    let messages = try BenchmarkMessages(options)
    let taskCount = try options.number("w", 64, in: 1...10_000)
    let batchSize = try options.number("b", 16, in: 1...10_000)
    let quantity = try options.number("q", 0, in: 0...Int.max)
    let interval = try options.number("ri", 10_000, in: 100...3_600_000)
    ThisProcess.say(
        "topic: \(messages.topic), threadCount: \(taskCount), messageSize: \(messages.body.count), "
            + "batchSize: \(batchSize), keyEnable: \(messages.hasKeys), propertySize: \(messages.propertySize), "
            + "tagCount: \(messages.tagCount), traceEnable: \(options.isOn("m")), aclEnable: \(options.isOn("a"))\n"
            + " compressEnable: \(options.isOn("c")), reportInterval: \(interval)")
    let settings = try options.producer(tasks: taskCount * batchSize)
    if options.isOn("c") {
        ThisProcess.say("compressType: \(options["ct"] ?? "ZLIB") compressLevel: \(settings.compressLevel)")
    }
    try await withProducer("benchmark_batch_producer", settings, client: options.client()) {
        producer throws(ClientError) in
        _ = try await producer.queues(of: messages.topic)
        await load(
            BenchmarkReport(.batches(of: batchSize)), tasks: taskCount, quantity: quantity, every: interval
        ) { task, index throws(ClientError) in
            try await producer.send((0..<batchSize).map { messages.message(task, index * batchSize + $0) })
        }
    }
}

/// Runs `step` in `tasks` tasks until it was done `quantity` times, or for ever if that is 0, or until the process is told to
/// end. A step that throws counts as failed.
/// - Parameter pause: between two steps of a task, milliseconds.
func load(
    _ report: BenchmarkReport, tasks: Int, quantity: Int, every interval: Int, pause: Int = 0,
    _ step: @escaping @Sendable (_ task: Int, _ index: Int) async throws(ClientError) -> Void
) async {
    let isOver = BenchmarkEnd()
    let lines = report.lines(every: interval)
    await withTaskGroup(of: Void.self) { group in
        for task in 0..<tasks {
            let share = quantity / tasks + (task < quantity % tasks ? 1 : 0)
            group.addTask {
                var index = 0
                while quantity == 0 || index < share, !isOver.isReached {
                    let begun = SystemClock.now()
                    var isDone = true
                    do throws(ClientError) {
                        try await step(task, index)
                    } catch {
                        isDone = false
                    }
                    let nanoseconds = SystemClock.now().nanoseconds - begun.nanoseconds
                    report.count { [isDone] tally in
                        tally.done += isDone ? 1 : 0
                        tally.sendFailed += isDone ? 0 : 1
                        tally.times.record(UInt64(max(0, nanoseconds)))
                    }
                    index += 1
                    if !isDone { _ = await pauseFor(milliseconds: 1000) }
                    if pause > 0 { _ = await pauseFor(milliseconds: pause) }
                }
            }
        }
        await group.waitForAll()
    }
    lines.cancel()
    report.sayAll()
}
