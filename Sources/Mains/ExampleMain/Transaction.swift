import MQProtocol
import MQSystem
import RocketMQClient

/// Sends ten messages (or as many as asked for) whose transactions stay open, prints each answer, and then answers
/// the broker's questions until SIGTERM or SIGINT: of three messages one stays open, one is committed, one rolled back.
func transactionProducer(_ arguments: [String]) async throws(ClientError) {
    let messageCount = arguments.limit ?? 10
    let transactions = Lock<[String: Int]>([:])
    let producer = try TransactionProducer(group: "please_rename_unique_group_name") { message in
        switch transactions.withLock({ $0[message.messageID] }).map({ $0 % 3 }) {
        case 0: .unknown
        case 2: .rollback
        default: .commit
        }
    }
    let stop = StopSignal()
    try await producer.start()
    let tags = ["TagA", "TagB", "TagC", "TagD", "TagE"]
    do throws(ClientError) {
        for index in 0..<messageCount {
            let message = Message(
                topic: "TopicTest1234", tags: tags[index % tags.count], keys: ["KEY\(index)"],
                body: Array("Hello RocketMQ \(index)".utf8))
            let result = try await producer.send(message) { _, id in
                transactions.withLock { $0[id] = index }
                return .unknown
            }
            ThisProcess.say("\(result)")
        }
    } catch {
        await producer.shutdown()
        throw error
    }
    await stop.wait()
    await producer.shutdown()
}
