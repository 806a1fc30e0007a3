import MQProtocol
import MQSystem
import RocketMQClient

/// Has the brokers of `TopicTest` let the group pop, and prints what is popped: eight members share a queue.
func popConsumer(_ arguments: [String]) async throws(ClientError) {
    let (topic, group) = ("TopicTest", "CID_JODIE_1")
    var options = ConsumerOptions()
    options.consumeFromWhere = .firstOffset
    options.assignment = .broker
    let consumer = try PushConsumer(group: group, options: options)
    consumer.link.start()
    let mode = "{\"consumerGroup\":\"\(group)\",\"mode\":\"POP\",\"popShareQueueNum\":8,\"topic\":\"\(topic)\"}"
    let request = RemotingCommand(.setMessageRequestMode, body: Array(mode.utf8))
    for broker in try await consumer.link.route(of: topic).brokerDatas {
        for address in broker.brokerAddrs.values.sorted() {
            try await consumer.link.ask(request, at: address, timeout: .seconds(3))
        }
    }
    try await consumer.subscribe(topic)
    try await printMessages(of: consumer, limit: arguments.limit)
}

/// Pulls each queue that is this member's ten times a second, and says where it is and what came of it.
func pullScheduleService(_ arguments: [String]) async throws(ClientError) {
    var options = LitePullConsumer.Options()
    options.commitsItself = false
    options.consumeFromWhere = .firstOffset
    let consumer = try LitePullConsumer(group: "GroupName1", options: options)
    try await consumer.subscribe("TopicTest")
    try await consumer.start()
    let stop = StopSignal()
    let left = Lock(arguments.limit ?? .max)
    let pulling = Task { () -> ClientError? in
        var places: [MessageQueue: Int64] = [:]
        do throws(ClientError) {
            while await pauseFor(milliseconds: 100) {
                // The consumer only shares the queues out: what it would fetch itself is not wanted.
                let queues = await consumer.assignment
                await consumer.pause(queues)
                for queue in queues {
                    let result = try await pull(queue, from: places[queue], consumer)
                    places[queue] = result.next
                    let isEnough = left.withLock { left in
                        left -= result.messages.count
                        return left <= 0
                    }
                    if isEnough { stop.send() }
                }
            }
            return nil
        } catch {
            stop.send()
            return error
        }
    }
    await stop.wait()
    pulling.cancel()
    let failure = await pulling.value
    await consumer.shutdown()
    if let failure, failure != .cancelled { throw failure }
}

/// One round of a queue; the group's progress goes with it.
/// - Parameter place: `nil` is where the group is.
private func pull(
    _ queue: MessageQueue, from place: Int64?, _ consumer: LitePullConsumer
) async throws(ClientError) -> PullResult {
    let link = consumer.link
    guard
        let broker = try await link.route(of: queue.topic).brokerDatas.first(where: {
            $0.brokerName == queue.brokerName
        }),
        let address = broker.brokerAddrs[0]
    else { throw .brokerNotFound(queue.brokerName) }
    var offset = place
    if offset == nil { offset = try await link.consumerOffset(of: consumer.group, in: queue, at: address) }
    let begin = offset ?? 0
    let result = try await link.pull(PullRequest(group: consumer.group, queue: queue, offset: begin), at: address)
    ThisProcess.say("\(begin)\t\(queue.text)\t\(result)")
    try await link.commit(result.next, of: consumer.group, in: queue, at: address)
    return result
}
