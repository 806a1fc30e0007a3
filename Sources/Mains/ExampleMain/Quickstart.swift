import MQProtocol
import MQSystem
import RocketMQClient

private let topic = "TopicTest"

/// Sends 1000 messages `Hello RocketMQ <i>` (or as many as `count` says) and prints each answer.
func quickstartProducer(_ count: String?) async throws(ClientError) {
    let messageCount = count.flatMap { Int($0) } ?? 1000
    let producer = try Producer(group: "please_rename_unique_group_name")
    try await producer.start()
    do throws(ClientError) {
        for index in 0..<messageCount {
            let message = Message(topic: topic, tags: "TagA", body: Array("Hello RocketMQ \(index)".utf8))
            ThisProcess.say("\(try await producer.send(message))")
        }
    } catch {
        await producer.shutdown()
        throw error
    }
    await producer.shutdown()
}

/// Prints every message of `TopicTest` until SIGTERM or SIGINT, or until `limit` messages have come.
func quickstartConsumer(_ limit: String?) async throws(ClientError) {
    var options = ConsumerOptions()
    options.consumeFromWhere = .firstOffset
    let consumer = try PushConsumer(group: "please_rename_unique_group_name_4", options: options)
    try await consumer.subscribe(topic)
    let left = Lock(limit.flatMap { Int($0) } ?? .max)
    let stop = StopSignal()
    let screen = Screen()
    try await consumer.start { message, context in
        screen.say("\(context.workerName) Receive New Messages: [\(message)] ")
        let isLast = left.withLock { left in
            left -= 1
            return left == 0
        }
        if isLast { stop.send() }
        return .success
    }
    screen.open("Consumer Started.")
    await stop.wait()
    await consumer.shutdown()
}

/// Standard output that keeps what is said before it opens: messages come while the consumer still starts.
final class Screen: Sendable {
    private let kept = Lock<[String]?>([])

    /// Prints `line`, or keeps it until ``open(_:)``.
    func say(_ line: String) {
        let isOpen = kept.withLock { kept in
            kept?.append(line)
            return kept == nil
        }
        if isOpen { ThisProcess.say(line) }
    }

    /// Prints `first` and what was kept.
    func open(_ first: String) {
        ThisProcess.say(first)
        while let line = next() { ThisProcess.say(line) }
    }

    /// The next kept line; `nil` opens the screen.
    private func next() -> String? {
        kept.withLock { kept in
            guard let line = kept?.first else {
                kept = nil
                return nil
            }
            kept?.removeFirst()
            return line
        }
    }
}

/// Raised once, by a signal to the process or by ``send()``.
final class StopSignal: Sendable {
    private enum State {
        case idle, sent
        case waiting(CheckedContinuation<Void, Never>)
    }

    private let state = Lock(State.idle)

    init() {
        _ = Thread("signals") { [self] in
            ThisProcess.waitForStopSignal()
            send()
        }
    }

    func send() {
        let waiter: CheckedContinuation<Void, Never>? = state.withLock { state in
            defer { state = .sent }
            if case .waiting(let continuation) = state { return continuation }
            return nil
        }
        waiter?.resume()
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isSent = state.withLock { state in
                if case .sent = state { return true }
                state = .waiting(continuation)
                return false
            }
            if isSent { continuation.resume() }
        }
    }
}
