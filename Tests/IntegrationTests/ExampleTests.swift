import Foundation
import MQJSON
import MQTestKit
import Testing

/// The programs of Examples/ and RocketMQ's example classes, against the real executables.
@Suite(.serialized, .enabled(if: RunningCluster.isBuilt), .timeLimit(.minutes(3))) struct ExampleTests {
    private func run(
        _ cluster: RunningCluster, _ product: String, _ arguments: [String] = [], within limit: Duration = .seconds(60)
    ) async throws -> Command {
        try await Command.run(
            Machine.executable(product), arguments,
            environment: Server.environment(in: cluster.folder, ["NAMESRV_ADDR": cluster.nameServers]),
            in: cluster.folder, within: limit)
    }

    private func lines(_ command: Command) -> [Substring] { command.output.split(separator: "\n") }

    @Test func `the programs of Examples do what they say`() async throws {
        try await RunningCluster.run { cluster in
            let quickstart = try await run(cluster, "QuickstartExample")
            #expect(quickstart.errors == "" && quickstart.status == 0)
            #expect(Set(lines(quickstart).suffix(10)) == Set((1...10).map { "received Hello \($0)" }))

            let ordered = try await run(cluster, "OrderedExample")
            #expect(ordered.errors == "" && ordered.status == 0)
            for order in 1...3 {
                let steps = lines(ordered).filter { $0.hasPrefix("order \(order) ") }
                #expect(steps == ["created", "paid", "shipped"].map { "order \(order) \($0)" })
            }

            let delayed = try await run(cluster, "DelayedExample")
            #expect(delayed.errors == "" && delayed.status == 0)
            let late = try #require(delayed.output.firstMatch(of: /^better late after (\d+) ms/).flatMap { Int($0.1) })
            #expect((900..<20_000).contains(late))

            let broadcasting = try await run(cluster, "BroadcastingExample")
            #expect(broadcasting.errors == "" && broadcasting.status == 0)
            let wanted = ["first", "second"].flatMap { name in (1...3).map { "\(name) heard news \($0)" } }
            #expect(lines(broadcasting).map(String.init).sorted() == wanted.sorted())

            let transactions = try await run(cluster, "TransactionsExample")
            #expect(transactions.errors == "" && transactions.status == 0)
            #expect(lines(transactions).prefix(3) == ["payment 1: commit", "payment 2: rollback", "payment 3: commit"])
            #expect(Set(lines(transactions).dropFirst(3)) == ["heard of payment 1", "heard of payment 3"])
        }
    }

    @Test func `RocketMQ's example classes send and receive under their names`() async throws {
        try await RunningCluster.run { cluster in
            func example(_ words: String..., expecting count: Int? = nil, _ text: String = "") async throws {
                let command = try await run(
                    cluster, "mqexample", ["org.apache.rocketmq.example." + words[0]] + words.dropFirst())
                #expect(command.status == 0 && command.errors == "", "\(words) \(command.errors)")
                guard let count else { return }
                let found = command.output.components(separatedBy: text).count - 1
                #expect(found == count, "\(words): \(found) of \(count) \(text)\n\(command.output.prefix(2000))")
            }
            let sent = "SendResult [sendStatus=SEND_OK"
            try await example("simple.Producer", "5", expecting: 5, sent)
            try await example("simple.OnewayProducer", "5")
            try await example("simple.AsyncProducer", "20", expecting: 20, " OK ")
            try await example("ordermessage.Producer", "20", expecting: 20, sent)
            try await example("batch.SimpleBatchProducer", expecting: 3, sent)
            try await example("batch.SplitBatchProducer", "30000", expecting: 4, sent)
            try await example("filter.TagFilterProducer", "6", expecting: 6, sent)
            try await example("tracemessage.TraceProducer", "3", expecting: 3, sent)
            try await example("schedule.ScheduledMessageProducer", "2", expecting: 2, sent)
            try await example("simple.PushConsumer", "33", expecting: 33, "Receive New Messages: [MessageExt [")
            let received = "Receive New Messages: [MessageExt ["
            try await example("ordermessage.Consumer", "25", expecting: 25, received)  // TagA, TagC and TagD
            try await example("simple.PullConsumer", "33", expecting: 33, "MessageExt [brokerName=broker-a")
            try await example(
                "simple.LitePullConsumerSubscribe", "33", expecting: 33, "MessageExt [brokerName=broker-a")
            try await example("broadcast.PushConsumer", "20", expecting: 1, "Broadcast Consumer Started.")
        }
    }

    private func count(_ text: String, in command: Command) -> Int {
        command.output.components(separatedBy: text).count - 1
    }

    @Test func `the example classes that assign, pop and pull by schedule`() async throws {
        try await RunningCluster.run { cluster in
            func example(_ words: String...) async throws -> Command {
                let command = try await run(
                    cluster, "mqexample", ["org.apache.rocketmq.example." + words[0]] + words.dropFirst())
                #expect(command.status == 0 && command.errors == "", "\(words) \(command.errors)")
                return command
            }
            for topic in ["TopicTest", "TopicTest1"] {
                try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", topic, "-r", "2", "-w", "2")
            }
            #expect(count("SEND_OK", in: try await example("simple.Producer", "60")) == 60)
            for (tag, times) in [("TagB", 5), ("TagA", 2)] {
                for _ in 0..<times {
                    let sent = try await cluster.admin(
                        "sendMessage", "-t", "TopicTest", "-p", "late \(tag)", "-c", tag, "-b", "broker-a", "-i", "0")
                    #expect(sent.code == 0)
                }
            }
            // Queue 0 from its tenth message on, without what has another tag; the other one whole.
            let filtered = try await example("simple.LitePullConsumerAssignWithSubExpression", "52")
            let places = filtered.output.matches(of: /queueId=(\d), storeSize=\d+, queueOffset=(\d+)/)
            let offsets = { (queue: Substring) in places.filter { $0.1 == queue }.compactMap { Int($0.2) } }
            #expect(offsets("0") == Array(10..<30) + [35, 36], "\(filtered.output)")
            #expect(offsets("1") == Array(0..<30))
            #expect(count("TagB", in: filtered) == 0)

            let popped = try await example("simple.PopConsumer", "67")
            #expect(popped.output.hasPrefix("Consumer Started.\n"))
            #expect(count("Receive New Messages: [MessageExt [", in: popped) == 67)

            let scheduled = try await example("simple.PullScheduleService", "67")
            let found = scheduled.output.matches(
                of:
                    /(\d+)\tMessageQueue \[topic=TopicTest, brokerName=broker-a, queueId=[01]\]\tPullResult \[pullStatus=FOUND, nextBeginOffset=\d+, minOffset=0, maxOffset=\d+, msgFoundList=(\d+)\]\n/
            )
            #expect(found.compactMap { Int($0.2) }.reduce(0, +) == 67, "\(scheduled.output)")
            try await eventually("the group has come as far") {
                let told = try await cluster.admin("consumerProgress", "-g", "GroupName1", "-t", "TopicTest", "--json")
                return try JSON(parsing: told.output)["diffTotal"].int64 == 0
            }

            let account = try await example("simple.AclClient", "3")
            #expect(count("SEND_OK", in: account) == 3)
            #expect(count("Consume from the queue: MessageQueue [topic=TopicTest, ", in: account) == 2)
            #expect(count("PullResult [pullStatus=NO_NEW_MSG", in: account) == 2)
            #expect(count("Receive New Messages: [", in: account) >= 3)
            let pulled = try #require(account.output.split(separator: "Consume from the queue", maxSplits: 1).last)
            #expect(pulled.components(separatedBy: "msgId : ").count - 1 == 70)
        }
    }

    @Test func `the benchmark classes for timed messages say how late they come`() async throws {
        try await RunningCluster.run { cluster in
            let producer = try await run(
                cluster, "mqexample",
                ["benchmark.timer.TimerProducer"]
                    + "-t timed -tc 2 -ms 100 -p 100 -st 2 -mt 5 -sd 500 -b 1500".split(separator: " ").map(String.init)
            )
            #expect(producer.status == 0 && producer.errors == "", "\(producer.errors)")
            #expect(
                producer.output.hasPrefix(
                    "namesrvAddr: \(cluster.nameServers), topic: timed, threadCount: 2, messageSize: 100, precisionMs: 100, "
                        + "slotsTotal: 2, msgsTotalPerSlotThread: 5, slotDis: 500\nStart sending messages\n"))
            let sent = try #require(lines(producer).last)
            #expect(sent.hasPrefix("[Complete] Send Total: 20 | Send TPS: "), "\(sent)")
            #expect(sent.contains(", Send Failed: 0, Response Failed: 0 | p50(ms):"), "\(sent)")
            let consumer = try await run(
                cluster, "mqexample", ["benchmark.timer.TimerConsumer", "-t", "timed", "-q", "20"])
            #expect(consumer.status == 0 && consumer.errors == "", "\(consumer.errors)")
            let told = try #require(lines(consumer).last)
            let wanted =
                /\[Complete\] Consume Total: 20 \| Consume TPS: \d+, Avg delayedDuration: +[\d.]+, Max delayedDuration: \d+, delayDuration %25: \d+, %50: \d+; %80: \d+; %90: \d+; %99: \d+; %99.9: \d+/
            #expect(told.wholeMatch(of: wanted) != nil, "\(told)")
        }
    }

    @Test func `the benchmark classes count what they send and receive`() async throws {
        try await RunningCluster.run { cluster in
            let producer = try await run(
                cluster, "mqexample", ["benchmark.Producer", "-w", "8", "-s", "200", "-q", "2000", "-k", "true"])
            #expect(producer.status == 0 && producer.errors == "")
            let last = try #require(lines(producer).last)
            #expect(last.hasPrefix("[Complete] Send Total: 2000 | Send TPS: "))
            #expect(last.contains("| Send Failed: 0 | Response Failed: 0 | p50(ms):"))
            let consumer = try await run(cluster, "mqexample", ["benchmark.Consumer", "-q", "2000", "-p", "false"])
            #expect(consumer.status == 0 && consumer.errors == "")
            #expect(lines(consumer).last?.hasPrefix("[Complete] Consume Total: 2000 | Consume TPS: ") == true)
            let compressed = try await run(
                cluster, "mqexample",
                ["benchmark.Producer", "-w", "2", "-s", "9000", "-q", "10", "-c", "true", "-ct", "LZ4", "-t", "packed"])
            #expect(
                compressed.output.contains("\n compressEnable: true, reportInterval: 10000\ncompressType: LZ4 compress")
            )
            let failing = try await run(
                cluster, "mqexample",
                [
                    "benchmark.Consumer", "-q", "10", "-p", "false", "-t", "packed", "-g", "failing", "-r", "1", "-e",
                    "*",
                ])
            #expect(lines(failing).last?.contains(" | Consume Fail: 1") == true, "\(failing)")
            let batches = try await run(
                cluster, "mqexample", ["benchmark.BatchProducer", "-w", "4", "-b", "8", "-q", "50", "-t", "batched"])
            #expect(batches.status == 0 && batches.errors == "")
            let sum = try #require(lines(batches).last)
            #expect(sum.hasPrefix("[Complete] Send Total: 50 | Send TPS: ") && sum.contains(" | Send MPS: "), "\(sum)")
            #expect(sum.contains(" | Send Failed: 0 | Send Message Failed: 0 | p50(ms):"), "\(sum)")
            let stored = try await cluster.admin("topicStatus", "-t", "batched", "--json")
            let ends = try JSON(parsing: stored.output)["queues"].array?.compactMap { $0["maxOffset"].int64 } ?? []
            #expect(ends.reduce(0, +) == 400)
            let transactions = try await run(
                cluster, "mqexample",
                ["benchmark.TransactionProducer", "-w", "4", "-s", "100", "-q", "60", "-sr", "0.5", "-t", "decided"])
            #expect(transactions.status == 0 && transactions.errors == "")
            let ended = try #require(lines(transactions).last)
            #expect(ended.hasPrefix("[Complete] Send Total: 60 | Send TPS: "), "\(ended)")
            #expect(
                ended.contains(" | Send Failed: 0 | Check: 0 | UnexpectedCheck: 0 | DuplicatedCheck: 0 | p50"),
                "\(ended)")
            try await eventually("some were committed, and some not") {
                let told = try await cluster.admin("topicStatus", "-t", "decided", "--json")
                let ends = try JSON(parsing: told.output)["queues"].array?.compactMap { $0["maxOffset"].int64 } ?? []
                return (5...55).contains(ends.reduce(0, +))
            }
            let refused = try await run(cluster, "mqexample", ["benchmark.Producer", "--nonsense", "1"])
            #expect(refused.status == 1 && refused.errors.contains("there is no option --nonsense"))
        }
    }
}
