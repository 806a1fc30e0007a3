import MQSystem

/// Collects trace records and sends them in batches to the trace topic, behind the application's back: what it cannot
/// keep or send is dropped and counted, never waited for.
final class TraceSender: Sendable {
    /// Records that may wait. Source: `AsyncTraceDispatcher.java`, 5.3.
    static let recordsMax = 2048
    /// Records in one message, and its bytes.
    static let batchMax = 100
    static let batchByteCountMax = 128_000

    private struct State {
        var records: [TraceRecord] = []
        var dropped = 0
        var isClosed = false
        var task: Task<Void, Never>?
    }

    let producer: Producer
    private let topic: String
    private let interval: Duration
    private let state = Lock(State())

    /// - Parameter link: started by the client that is traced, and shut down by it.
    init(topic: String, group: String, link: ClusterLink, interval: Duration = .milliseconds(500)) throws(ClientError) {
        var options = Producer.Options()
        options.sendTimeout = .seconds(5)
        producer = try Producer(group: "_INNER_TRACE_PRODUCER-" + group, options: options, link: link)
        self.topic = topic
        self.interval = interval
    }

    /// Records that were dropped so far.
    var dropped: Int { state.withLock { $0.dropped } }

    func start() async throws(ClientError) {
        try await producer.start()
        let task = Task { [weak self, interval] in
            while await pause(interval), let self { await uncancelled { await self.flush() } }
        }
        state.withLock { $0.task = task }
    }

    func add(_ record: TraceRecord) {
        state.withLock { state in
            guard !state.isClosed, state.records.count < Self.recordsMax else {
                state.dropped += 1
                return
            }
            state.records.append(record)
        }
    }

    /// Sends what there is, and takes no more.
    func close() async {
        let task = state.withLock { state in
            state.isClosed = true
            return state.task
        }
        task?.cancel()
        await task?.value
        await flush()
        await producer.shutdown()
    }

    private func flush() async {
        let records = state.withLock { state in
            defer { state.records = [] }
            return state.records
        }
        for batch in Self.batches(records) {
            do throws(ClientError) {
                try await producer.send(Self.message(batch, topic: topic))
            } catch {
                state.withLock { $0.dropped += batch.count }
            }
        }
    }

    /// Records in the messages they travel in.
    static func batches(_ records: [TraceRecord]) -> [[TraceRecord]] {
        var batches: [[TraceRecord]] = []
        var byteCount = 0
        for record in records {
            let size = record.text.utf8.count
            if batches.isEmpty || batches[batches.count - 1].count >= batchMax || byteCount + size > batchByteCountMax {
                batches.append([])
                byteCount = 0
            }
            batches[batches.count - 1].append(record)
            byteCount += size
        }
        return batches
    }

    static func message(_ batch: [TraceRecord], topic: String) -> Message {
        var words: [String] = []
        var known: Set<String> = []
        for word in batch.flatMap(\.words) where !word.isEmpty && known.insert(word).inserted { words.append(word) }
        return Message(topic: topic, keys: words, body: batch.flatMap { Array($0.text.utf8) })
    }
}

/// Whether a client's messages are traced. Off unless told otherwise.
public struct TraceOptions: Sendable {
    /// Where the records go.
    public var topic = "RMQ_SYS_TRACE_TOPIC"

    /// RocketMQ's trace topic.
    public init() {}
}
