import MQSystem
import RocketMQClient

/// Runs `body` with a producer that is started before and shut down after it.
func withProducer(
    _ group: String, _ options: Producer.Options = Producer.Options(), client: ClientOptions = ClientOptions(),
    _ body: (Producer) async throws(ClientError) -> Void
) async throws(ClientError) {
    let producer = try Producer(group: group, options: options, client: client)
    try await producer.start()
    do throws(ClientError) {
        try await body(producer)
    } catch {
        await producer.shutdown()
        throw error
    }
    await producer.shutdown()
}

/// Prints what comes, as Java's examples do, until SIGTERM or SIGINT, or until `limit` messages have come.
/// - Parameters:
///   - started: the line that tells it has begun.
///   - line: of a message.
func printMessages(
    of consumer: PushConsumer, limit: Int?, started: String = "Consumer Started.",
    _ line: @escaping @Sendable (MessageExt, ConsumeContext) -> String = { message, context in
        "\(context.workerName) Receive New Messages: [\(message)] "
    }
) async throws(ClientError) {
    let left = Lock(limit ?? .max)
    let stop = StopSignal()
    let screen = Screen()
    try await consumer.start { message, context in
        screen.say(line(message, context))
        let isLast = left.withLock { left in
            left -= 1
            return left == 0
        }
        if isLast { stop.send() }
        return .success
    }
    screen.open(started)
    await stop.wait()
    await consumer.shutdown()
}
