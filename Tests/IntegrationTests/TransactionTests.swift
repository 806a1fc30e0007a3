import Foundation
import MQProtocol
import MQTestKit
import Testing

@testable import RocketMQClient

/// Transactions of the Swift client against the real executables, a broker's death in the middle included.
@Suite(.serialized, .enabled(if: RunningCluster.isBuilt), .timeLimit(.minutes(3))) struct RealTransactionTests {
    /// Times that are short enough for a test.
    private let settings = [
        "transactionTimeOut": "500", "transactionCheckInterval": "1000", "transactionOpBatchInterval": "300",
        "flushConsumerOffsetInterval": "500", "transactionCheckMax": "1000",
    ]

    private func text(_ message: MessageExt) -> String { String(decoding: message.body, as: UTF8.self) }
    private func message(_ text: String) -> Message { Message(topic: "t", tags: "A", body: Array(text.utf8)) }

    private func producer(
        _ cluster: RunningCluster, _ check: @escaping TransactionCheck = { _ in .unknown }
    ) async throws -> TransactionProducer {
        let producer = try TransactionProducer(group: "tx-producers", client: cluster.client, check: check)
        try await producer.start()
        return producer
    }

    /// Bodies in the order they arrive.
    private func consumer(_ cluster: RunningCluster) async throws -> (consumer: PushConsumer, seen: Lines) {
        var options = ConsumerOptions()
        options.consumeFromWhere = .firstOffset
        let consumer = try PushConsumer(group: "tx-consumers", options: options, client: cluster.client)
        try await consumer.subscribe("t")
        let seen = Lines()
        try await consumer.start { message, _ in
            seen.add(String(decoding: message.body, as: UTF8.self))
            return .success
        }
        return (consumer, seen)
    }

    @Test func `committed messages arrive, rolled back ones do not`() async throws {
        try await RunningCluster.run(settings) { cluster in
            let producer = try await producer(cluster)
            for index in 0..<30 {
                let result = try await producer.send(message("m\(index)")) { _, _ in
                    index % 3 == 0 ? .rollback : .commit
                }
                #expect(result.notTold == nil && result.sent.status == .sendOK)
            }
            let (consumer, seen) = try await consumer(cluster)
            let wanted = (0..<30).filter { $0 % 3 != 0 }.map { "m\($0)" }
            try await eventually("20 messages arrive") { seen.all.count >= wanted.count }
            // Whatever would come too much comes before this.
            for _ in 0..<8 { try await producer.producer.send(message("last")) }
            try await eventually("the last ones arrive") { seen.all.filter { $0 == "last" }.count == 8 }
            #expect(seen.all.filter { $0 != "last" }.sorted() == wanted.sorted())
            await consumer.shutdown()
            await producer.shutdown()
        }
    }

    @Test func `what stays open is asked about until its producer knows`() async throws {
        try await RunningCluster.run(settings) { cluster in
            let asked = Lines()
            let producer = try await producer(cluster) { message in
                let text = String(decoding: message.body, as: UTF8.self)
                asked.add(text)
                let times = asked.all.filter { $0 == text }.count
                switch text {
                case "commit later": return times < 2 ? .unknown : .commit
                case "roll back later": return .rollback
                default: return .commit
                }
            }
            let (consumer, seen) = try await consumer(cluster)
            for text in ["commit later", "roll back later"] {
                let result = try await producer.send(message(text)) { _, _ in .unknown }
                #expect(result.state == .unknown && result.notTold == nil)
            }
            struct Trouble: Error {}
            try await producer.send(message("thrown")) { _, _ in throw Trouble() }
            try await eventually("both come") { Set(seen.all).isSuperset(of: ["commit later", "thrown"]) }
            try await eventually("all are asked about") { asked.all.contains("roll back later") }
            let count = asked.all.count
            // A message of after that is asked about, and nothing else any more.
            try await producer.send(message("after")) { _, _ in .unknown }
            try await eventually("it comes") { seen.all.contains("after") }
            #expect(asked.all[count...] == ["after"])
            #expect(seen.all.sorted() == ["after", "commit later", "thrown"])
            await consumer.shutdown()
            await producer.shutdown()
        }
    }

    @Test(arguments: ["ASYNC_FLUSH", "SYNC_FLUSH"])
    func `a broker that is killed between half and end goes on`(flush: String) async throws {
        try await RunningCluster.run(settings.merging(["flushDiskType": flush]) { $1 }) { cluster in
            let known = Lines()
            let asked = Lines()
            let producer = try await producer(cluster) { message in
                let text = String(decoding: message.body, as: UTF8.self)
                asked.add(text)
                return known.all.contains(text) ? .commit : .unknown
            }
            let (consumer, seen) = try await consumer(cluster)
            // Committed and answered: must arrive; and open ones, of which one is asked about before the death.
            for index in 0..<10 {
                let result = try await producer.send(message("done \(index)")) { _, _ in .commit }
                #expect(result.notTold == nil)
            }
            for index in 0..<10 { try await producer.send(message("open \(index)")) { _, _ in .unknown } }
            try await cluster.killBroker()
            try await cluster.startBroker()
            for index in 0..<10 { known.add("open \(index)") }
            try await eventually("all arrive") {
                Set(seen.all).isSuperset(of: (0..<10).flatMap { ["done \($0)", "open \($0)"] })
            }
            // Once more, with copies in the queue of half messages.
            for index in 10..<20 { try await producer.send(message("open \(index)")) { _, _ in .unknown } }
            try await eventually("all are asked about twice") {
                (10..<20).allSatisfy { index in asked.all.filter { $0 == "open \(index)" }.count >= 2 }
            }
            try await cluster.killBroker()
            try await cluster.startBroker()
            for index in 10..<20 { known.add("open \(index)") }
            try await eventually("the others arrive") {
                Set(seen.all).isSuperset(of: (10..<20).map { "open \($0)" })
            }
            let later = seen.all.filter { text in (10..<20).contains { text == "open \($0)" } }
            #expect(later.count == 10, "copies of one message are one message: \(later)")
            await consumer.shutdown()
            await producer.shutdown()
        }
    }

    @Test func `a delayed message comes that long behind its commit, over a kill between half and end`() async throws {
        try await RunningCluster.run(settings) { cluster in
            let commits = Lines()
            let producer = try await producer(cluster) { _ in
                commits.add("\(Date().timeIntervalSince1970)")
                return .commit
            }
            let (consumer, seen) = try await consumer(cluster)
            try await producer.producer.send(message("first"))
            try await eventually("the first comes") { seen.all == ["first"] }
            var later = message("later")
            later.delay = .seconds(2)
            try await producer.send(later) { _, _ in .unknown }
            try await cluster.killBroker()
            try await cluster.startBroker()
            try await eventually("its producer is asked", within: .seconds(40)) { !commits.all.isEmpty }
            try await eventually("it comes", within: .seconds(40)) { seen.all.contains("later") }
            let passed = Date().timeIntervalSince1970 - (Double(commits.all[0]) ?? 0)
            #expect(passed >= 2, "\(passed) s behind the first commit")
            #expect(seen.all == ["first", "later"])
            await consumer.shutdown()
            await producer.shutdown()
        }
    }

    @Test func `ends and kills at random lose nothing that was committed and deliver nothing that was rolled back`()
        async throws
    {
        try await RunningCluster.run(settings) { cluster in
            let states = Lines()  // "<body> <state>", decided before the end is sent
            @Sendable func decided(_ text: String) -> TransactionState? {
                states.all.first { $0.hasPrefix(text + " ") }.flatMap { line in
                    TransactionState.allCases.first { line.hasSuffix($0.rawValue) }
                }
            }
            let producer = try await producer(cluster) {
                decided(String(decoding: $0.body, as: UTF8.self)) ?? .rollback
            }
            let (consumer, seen) = try await consumer(cluster)
            let sending = Task {
                var index = 0
                while !Task.isCancelled {
                    let body = "m\(index)"
                    let state: TransactionState = index % 2 == 0 ? .commit : .rollback
                    let isSilent = index % 5 == 0
                    _ = try? await producer.send(message(body)) { _, _ in
                        states.add("\(body) \(state.rawValue)")
                        return isSilent ? .unknown : state  // then the broker has to ask
                    }
                    index += 1
                }
            }
            for _ in 0..<3 {
                let before = states.all.count
                try await eventually("transactions go on") { states.all.count >= before + 60 }
                try await cluster.killBroker()
                try await cluster.startBroker()
            }
            sending.cancel()
            await sending.value
            let committed = Set(
                states.all.filter { $0.hasSuffix("COMMIT_MESSAGE") }.map { String($0.split(separator: " ")[0]) })
            try await eventually("all that was committed arrives; missing \(committed.subtracting(seen.all).sorted())")
            {
                committed.isSubset(of: seen.all)
            }
            let undone = Set(
                states.all.filter { $0.hasSuffix("ROLLBACK_MESSAGE") }.map { String($0.split(separator: " ")[0]) })
            #expect(undone.isDisjoint(with: seen.all))
            await consumer.shutdown()
            await producer.shutdown()
        }
    }

    @Test func `the example prints RocketMQ's lines and answers the broker`() async throws {
        try await RunningCluster.run(settings) { cluster in
            let output = cluster.folder.appending(path: "transaction.out")
            let example = try cluster.launch(
                "mqexample", ["org.apache.rocketmq.example.transaction.TransactionProducer"], output: output)
            func lines() throws -> [Substring] {
                try String(contentsOf: output, encoding: .utf8).split(separator: "\n")
            }
            try await eventually("ten messages are sent") { try lines().count >= 10 }
            #expect(
                try lines().allSatisfy {
                    $0.hasPrefix("SendResult [sendStatus=SEND_OK, msgId=") && $0.contains(", offsetMsgId=null, ")
                })
            var options = ConsumerOptions()
            options.consumeFromWhere = .firstOffset
            let consumer = try PushConsumer(group: "readers", options: options, client: cluster.client)
            try await consumer.subscribe("TopicTest1234")
            let seen = Lines()
            try await consumer.start { message, _ in
                seen.add(message.keys.joined())
                return .success
            }
            try await eventually("three of ten are committed") { seen.all.count >= 3 }
            #expect(Set(seen.all) == ["KEY1", "KEY4", "KEY7"])
            example.terminate()
            try await eventually("the example ends") { !example.isRunning }
            #expect(example.terminationStatus == 0)
            await consumer.shutdown()
        }
    }
}
