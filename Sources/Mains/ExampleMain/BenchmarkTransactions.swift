import MQBase
import MQProtocol
import MQSystem
import RocketMQClient

private let transactionOptions = BenchmarkOptions.sending.merging([
    "sr": "send rollback rate", "su": "send unknown rate", "cr": "check rollback rate", "cu": "check unknown rate",
    "b": "test batch id", "i": "send interval",
]) { $1 }

/// RocketMQ's load program for transactions. `-q` ends it after so many.
///
/// Source: `org.apache.rocketmq.example.benchmark.TransactionProducer`, 5.3.
func benchmarkTransactionProducer(_ arguments: [String]) async throws(ClientError) {
    let options = try BenchmarkOptions(arguments, known: transactionOptions)
    let taskCount = try options.number("w", 32, in: 1...10_000)
    let quantity = try options.number("q", 0, in: 0...Int.max)
    let interval = try options.number("ri", 10_000, in: 100...3_600_000)
    let pause = try options.number("i", 0, in: 0...3_600_000)
    let topic = options["t"] ?? "BenchmarkTest"
    let plan = try TransactionLoad(options)
    var settings = try options.producer(tasks: taskCount)
    settings.defaultQueueCount = 1000
    let report = BenchmarkReport(.transactions)
    let asked = Lock<[Int64: Int32]>([:])
    let producer = try TransactionProducer(
        group: "benchmark_transaction_producer", options: settings, client: options.client()
    ) { message in
        plan.answer(message, asked, report)
    }
    try await producer.start()
    await load(report, tasks: taskCount, quantity: quantity, every: interval, pause: pause) {
        task, index throws(ClientError) in
        let body = plan.body(Int64(task) << 32 | Int64(index))
        let result = try await producer.send(Message(topic: topic, body: body)) { message, _ in
            TransactionLoad.state(message.body, at: TransactionLoad.stateAt)
        }
        if result.sent.status != .sendOK { throw .invalid("\(result.sent.status.rawValue)") }
    }
    await producer.shutdown()
}

/// What becomes of transactions and of the questions about them, written into the messages themselves: the test's number, the
/// message's, the answer of its executor, and one for each check.
struct TransactionLoad: Sendable {
    static let stateAt = 16
    /// Brokers ask less often than this.
    private static let checksMax = 20
    /// Messages whose checks are remembered.
    private static let askedMax = 200_000
    /// Java's ordinals.
    private static let states: [TransactionState] = [.commit, .rollback, .unknown]

    private let batchID: Int64
    private let byteCount: Int
    private let send: (rollback: Double, unknown: Double)
    private let check: (rollback: Double, unknown: Double)

    init(_ options: BenchmarkOptions) throws(ClientError) {
        batchID = Int64(try options.number("b", Int(SystemClock.wall().rawValue), in: 0...Int.max))
        byteCount = try options.number("s", 2048, in: (Self.stateAt + 1 + Self.checksMax)...(4 << 20))
        send = (try options.share("sr"), try options.share("su"))
        check = (try options.share("cr"), try options.share("cu"))
    }

    /// A message's body.
    func body(_ number: Int64) -> [UInt8] {
        func draw(_ shares: (rollback: Double, unknown: Double)) -> UInt8 {
            if Double.random(in: 0..<1) < shares.rollback { return 1 }
            return Double.random(in: 0..<1) < shares.unknown ? 2 : 0
        }
        var body: [UInt8] = []
        body.reserveCapacity(byteCount)
        for value in [batchID, number] {
            body += (0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * $0)) }
        }
        body.append(draw(send))
        body += (0..<Self.checksMax).map { _ in draw(check) }
        body += [UInt8](repeating: UInt8(ascii: "a"), count: byteCount - body.count)
        return body
    }

    /// The answer that stands at `index`; a body of somebody else's is rolled back.
    static func state(_ body: [UInt8], at index: Int) -> TransactionState {
        guard index < body.count, Int(body[index]) < states.count else { return .rollback }
        return states[Int(body[index])]
    }

    private static func number(_ body: [UInt8], at index: Int) -> Int64? {
        guard index + 8 <= body.count else { return nil }
        return body[index..<index + 8].reduce(0) { $0 << 8 | Int64($1) }
    }

    /// What a broker that asks is told, and whether it should have asked.
    func answer(
        _ message: MessageExt, _ asked: borrowing Lock<[Int64: Int32]>, _ report: BenchmarkReport
    ) -> TransactionState {
        let body = message.body
        guard Self.number(body, at: 0) == batchID, let number = Self.number(body, at: 8) else { return .rollback }
        guard let times = message.properties["TRANSACTION_CHECK_TIMES"].flatMap({ Int($0) }) else { return .rollback }
        let round = min(max(times, 1), Self.checksMax)
        let isNew = asked.withLock { asked in
            if asked.count >= Self.askedMax { asked = [:] }
            let known = asked[number] ?? 0
            asked[number] = known | 1 << Int32(round - 1)
            return asked[number] != known
        }
        // Answers that ended the transaction: the executor's, and those of earlier checks.
        let earlier = (0..<round).map { Self.state(body, at: Self.stateAt + $0) }
        let decided = earlier.first { $0 != .unknown }
        report.count { tally in
            tally.checks += 1
            tally.duplicateChecks += isNew ? 0 : 1
            tally.unexpectedChecks += decided == nil ? 0 : 1
        }
        guard let decided else { return Self.state(body, at: Self.stateAt + round) }
        ThisProcess.say(
            "\(SystemClock.localText(SystemClock.wall()).suffix(12)) unexpected check: msgId=\(message.offsetMessageID),"
                + "txId=\(message.messageID),checkTimes=\(times),sendResult=\(decided.rawValue)")
        return decided
    }
}
