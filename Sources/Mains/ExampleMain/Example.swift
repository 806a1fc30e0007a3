import MQSystem
import RocketMQClient

/// One of RocketMQ's example programs by its Java name, as `tools.sh` calls it.
struct Example: Sendable {
    typealias Run = @Sendable (_ arguments: [String]) async throws(ClientError) -> Void

    /// Behind `org.apache.rocketmq.example.`.
    let shortName: String
    /// Gets what stands behind the name. A number there ends a consumer after that many messages, and bounds a producer.
    let run: Run

    init(_ shortName: String, _ run: @escaping Run) {
        self.shortName = shortName
        self.run = run
    }

    var name: String { "org.apache.rocketmq.example." + shortName }

    static let all: [Example] = [
        Example("quickstart.Producer", quickstartProducer), Example("quickstart.Consumer", quickstartConsumer),
        Example("simple.Producer", simpleProducer), Example("simple.OnewayProducer", oneWayProducer),
        Example("simple.AsyncProducer", asyncProducer), Example("simple.PushConsumer", simplePushConsumer),
        Example("simple.PullConsumer", pullConsumer), Example("simple.LitePullConsumerSubscribe", litePullSubscriber),
        Example("simple.LitePullConsumerAssign", litePullAssigned),
        Example("simple.LitePullConsumerAssignWithSubExpression", litePullFiltered),
        Example("simple.PopConsumer", popConsumer), Example("simple.PullScheduleService", pullScheduleService),
        Example("simple.AclClient", accountClient),
        Example("ordermessage.Producer", orderedProducer),
        Example("ordermessage.Consumer", orderedConsumer),
        Example("schedule.ScheduledMessageProducer", scheduledProducer),
        Example("schedule.ScheduledMessageConsumer", scheduledConsumer),
        Example("schedule.TimerMessageProducer", timerProducer),
        Example("schedule.TimerMessageConsumer", timerConsumer),
        Example("transaction.TransactionProducer", transactionProducer),
        Example("batch.SimpleBatchProducer", simpleBatchProducer),
        Example("batch.SplitBatchProducer", splitBatchProducer), Example("broadcast.PushConsumer", broadcastConsumer),
        Example("filter.TagFilterProducer", tagFilterProducer), Example("filter.TagFilterConsumer", tagFilterConsumer),
        Example("filter.SqlFilterProducer", sqlFilterProducer), Example("filter.SqlFilterConsumer", sqlFilterConsumer),
        Example("tracemessage.TraceProducer", traceProducer),
        Example("tracemessage.TracePushConsumer", traceConsumer), Example("benchmark.Producer", benchmarkProducer),
        Example("benchmark.Consumer", benchmarkConsumer), Example("benchmark.BatchProducer", benchmarkBatchProducer),
        Example("benchmark.TransactionProducer", benchmarkTransactionProducer),
        Example("benchmark.timer.TimerProducer", benchmarkTimerProducer),
        Example("benchmark.timer.TimerConsumer", benchmarkTimerConsumer),
    ]

    /// Accepts the short form `quickstart.Producer`, and `Producer`, too.
    static func named(_ name: String) -> Example? {
        all.first { $0.name == name } ?? all.first { $0.name.hasSuffix("." + name) }
    }
}

/// Runs the example that the first argument names and ends the process: 0, or 1 with one sentence on standard error.
func runExample() -> Never {
    ThisProcess.prepareSignals()
    let arguments = Array(CommandLine.arguments.dropFirst())
    let names = Example.all.map(\.name).joined(separator: ", ")
    guard let name = arguments.first else {
        ThisProcess.complain("mqexample: no example named; use one of: \(names)")
        ThisProcess.exit(1)
    }
    guard let example = Example.named(name) else {
        ThisProcess.complain("mqexample: there is no example \(name); use one of: \(names)")
        ThisProcess.exit(1)
    }
    let failure: ClientError? = wait {
        do throws(ClientError) {
            try await example.run(Array(arguments.dropFirst()))
            return nil
        } catch {
            return error
        }
    }
    if let failure { ThisProcess.complain("mqexample: \(failure)") }
    ThisProcess.exit(failure == nil ? 0 : 1)
}

/// Blocks the main thread, which is no pool thread, until `work` is done.
private func wait(_ work: @escaping @Sendable () async -> ClientError?) -> ClientError? {
    let done = Monitor<ClientError??>(nil)
    Task.detached {
        let result = await work()
        done.signal {
            $0 = .some(result)
            return true
        }
    }
    return done.wait { $0 } ?? nil
}

extension [String] {
    /// The number that the first argument is.
    var limit: Int? { first.flatMap { Int($0) } }
}
