import MQProtocol
import MQSystem
import MQTransport
import Synchronization

/// A topic's queues with the way to each, ready for a send that finds nothing to look up.
final class PublishPlan: Sendable {
    /// A broker with a master, or why it cannot be sent to.
    final class Broker: Sendable {
        let name: String
        /// The name as bytes, for headers.
        let nameBytes: [UInt8]
        let address: String
        let pipe: Result<SendPipe, ClientError>

        init(name: String, address: String, pipe: Result<SendPipe, ClientError>) {
            self.name = name
            nameBytes = Array(name.utf8)
            self.address = address
            self.pipe = pipe
        }
    }

    let queues: PublishQueues
    /// The broker of each queue.
    let brokers: [Broker]
    private let stale = Atomic<Bool>(false)

    /// Whether there may be a newer one.
    var isStale: Bool { stale.load(ordering: .relaxed) }

    /// Holders ask for another one the next time.
    func retire() { stale.store(true, ordering: .relaxed) }

    init(queues: PublishQueues, brokers: [String: Broker]) {
        self.queues = queues
        self.brokers = queues.queues.map { queue in
            brokers[queue.brokerName]
                ?? Broker(name: queue.brokerName, address: "", pipe: .failure(.brokerNotFound(queue.brokerName)))
        }
    }
}

/// The plans of a link, by topic as the broker knows it. A plan made from a route that has been replaced meanwhile is not
/// kept.
final class PublishPlans: Sendable {
    private struct Table {
        var plans: [String: PublishPlan] = [:]
        var generation = 0
    }

    private let table = Lock(Table())

    subscript(topic: String) -> PublishPlan? { table.withLock { $0.plans[topic] } }

    /// To be handed to ``keep(_:for:madeAt:)``: ask before the route is looked at.
    var generation: Int { table.withLock { $0.generation } }

    func keep(_ plan: PublishPlan, for topic: String, madeAt generation: Int) {
        table.withLock { table in
            guard table.generation == generation else { return plan.retire() }  // serves once
            table.plans.updateValue(plan, forKey: topic)?.retire()
        }
    }

    func forget(_ topic: String) {
        table.withLock { table in
            table.generation += 1
            table.plans.removeValue(forKey: topic)?.retire()
        }
    }

    func forgetAll() {
        table.withLock { table in
            table.generation += 1
            for plan in table.plans.values { plan.retire() }
            table.plans = [:]
        }
    }
}

extension ClusterLink {
    /// The way to a topic's queues, made anew if its route changed.
    func plan(of topic: String, defaultQueueCount: Int) async throws(ClientError) -> PublishPlan {
        if let plan = plans[topic] { return plan }
        let generation = plans.generation
        let route = try await publishRoute(of: topic, defaultQueueCount: defaultQueueCount)
        var brokers: [String: PublishPlan.Broker] = [:]
        for data in route.brokerDatas {
            guard let address = data.brokerAddrs[0] else { continue }
            let pipe: Result<SendPipe, ClientError>
            do throws(ClientError) {
                pipe = .success(try await self.pipe(to: address))
            } catch {
                pipe = .failure(error)
            }
            brokers[data.brokerName] = PublishPlan.Broker(name: data.brokerName, address: address, pipe: pipe)
        }
        let plan = PublishPlan(queues: PublishQueues(topic: topic, route: route), brokers: brokers)
        plans.keep(plan, for: topic, madeAt: generation)
        return plan
    }
}
