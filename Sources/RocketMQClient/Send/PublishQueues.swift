import MQProtocol

/// The queues a topic may be sent to, in Java's order, and which one is next.
struct PublishQueues: Equatable {
    let queues: [MessageQueue]

    /// Writable queues of brokers that have a master; the order configuration's queues if there is one.
    init(topic: String, route: TopicRouteData) {
        if let order = route.orderTopicConf, !order.isEmpty {
            queues = order.split(separator: ";").flatMap { item -> [MessageQueue] in
                let parts = item.split(separator: ":")
                guard parts.count == 2, let count = Int(parts[1]), (0...65_536).contains(count) else { return [] }
                return (0..<count).map { MessageQueue(topic: topic, brokerName: String(parts[0]), queueID: $0) }
            }
            return
        }
        let masters = Set(route.brokerDatas.filter { $0.brokerAddrs[0] != nil }.map(\.brokerName))
        let writable = route.queueDatas.filter { $0.perm.contains(.write) && masters.contains($0.brokerName) }
        queues = writable.sorted { $0.brokerName < $1.brokerName }.flatMap { data in
            (0..<max(0, min(data.writeQueueNums, 65_536))).map {
                MessageQueue(topic: topic, brokerName: data.brokerName, queueID: $0)
            }
        }
    }

    /// The index of the queue at `turn`, going round; after a failure of the next one that is not at `avoiding`, if there
    /// is one.
    func pickIndex(_ turn: Int, avoiding broker: String? = nil) -> Int? {
        guard !queues.isEmpty else { return nil }
        guard let broker else { return turn % queues.count }
        for step in 0..<queues.count {
            let index = (turn % queues.count + step) % queues.count
            if queues[index].brokerName != broker { return index }
        }
        return turn % queues.count
    }

    /// The queue of ``pickIndex(_:avoiding:)``.
    func pick(_ turn: Int, avoiding broker: String? = nil) -> MessageQueue? {
        pickIndex(turn, avoiding: broker).map { queues[$0] }
    }
}
