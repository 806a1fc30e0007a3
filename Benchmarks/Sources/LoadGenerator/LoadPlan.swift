import BenchWire
import Glibc

/// What is settled before the load: the broker, its topics and queues, and where consumers begin.
struct LoadPlan {
    let broker: Address
    let targets: [(topic: String, queue: Int, offset: Int64)]
    private let runKey: String

    init(_ options: LoadOptions) {
        if let nameServer = options.nameServer {
            var client = ControlClient(nameServer)
            broker = client.firstBroker()
            client.close()
        } else {
            broker = options.broker!
        }
        var client = ControlClient(broker)
        let atEnd = options.start.map { $0 == .max } ?? (options.mode == .both)
        var targets: [(topic: String, queue: Int, offset: Int64)] = []
        for topic in options.topics {
            if options.createsTopics { client.create(topic: topic, queueCount: options.queueCount) }
            for queue in 0..<options.queueCount {
                let offset = options.mode == .produce ? 0 : client.offset(of: topic, queue: queue, atEnd: atEnd)
                targets.append((topic, queue, offset))
            }
        }
        client.close()
        self.targets = targets
        runKey = hex(UInt64(bitPattern: realtimeNanoseconds()) ^ UInt64(getpid()) << 48, 16)
    }

    /// The first 24 digits of every `UNIQ_KEY` of a connection.
    func keyHead(connection: Int) -> String { runKey + hex(UInt64(connection), 8) }
}

private func hex(_ value: UInt64, _ digits: Int) -> String {
    let text = String(value, radix: 16, uppercase: true)
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
}
