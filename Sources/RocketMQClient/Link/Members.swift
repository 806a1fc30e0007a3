import MQJSON
import MQProtocol
import MQSystem

/// A consumer as its link sees it.
protocol ConsumerMember: AnyObject, Sendable {
    /// What heartbeats say of it.
    var consumerData: ConsumerData { get }
    /// The group's members have changed.
    func rebalanceSoon()
    /// An administrator wants it to go on elsewhere.
    func resetSoon(_ topic: String, to offsets: [MessageQueue: Int64])
    /// How far it is in the queues of `topic` that it has.
    func offsets(in topic: String) async -> [MessageQueue: Int64]
    /// What `GET_CONSUMER_RUNNING_INFO` shows.
    func runningInfo() async -> JSON
}

/// A producer of transactions as its link sees it.
protocol TransactionMember: AnyObject, Sendable {
    /// A broker asks with `request` what became of the transaction of `message`. Must not wait; `answer` sends a one-way
    /// request back over the connection, from any thread.
    func check(
        _ message: MessageExt, for request: RemotingCommand, answer: @escaping @Sendable (RemotingCommand) -> Void)
}

/// Who works over a link: what heartbeats tell and pushed requests are for. A leaf lock inside.
final class Members: Sendable {
    private struct Table {
        var producerGroups: [String: Int] = [:]
        var consumers: [String: any ConsumerMember] = [:]
        var transactions: [String: any TransactionMember] = [:]
    }

    private let table = Lock(Table())

    func add(producerGroup: String) { table.withLock { $0.producerGroups[producerGroup, default: 0] += 1 } }

    /// `true` if it was the last of its group.
    func remove(producerGroup: String) -> Bool {
        table.withLock { table in
            let left = (table.producerGroups[producerGroup] ?? 1) - 1
            table.producerGroups[producerGroup] = left > 0 ? left : nil
            return left <= 0
        }
    }

    /// `false` if the link has a consumer of this group already.
    func add(_ consumer: any ConsumerMember, group: String) -> Bool {
        table.withLock { table in
            guard table.consumers[group] == nil else { return false }
            table.consumers[group] = consumer
            return true
        }
    }

    func remove(consumerGroup: String) { _ = table.withLock { $0.consumers.removeValue(forKey: consumerGroup) } }

    func consumer(_ group: String) -> (any ConsumerMember)? { table.withLock { $0.consumers[group] } }

    /// The last one of a group that was added is asked.
    func add(_ member: any TransactionMember, transactionGroup: String) {
        table.withLock { $0.transactions[transactionGroup] = member }
    }

    func remove(transactionGroup: String) {
        _ = table.withLock { $0.transactions.removeValue(forKey: transactionGroup) }
    }

    func transactions(of group: String) -> (any TransactionMember)? { table.withLock { $0.transactions[group] } }

    var consumers: [any ConsumerMember] { table.withLock { Array($0.consumers.values) } }

    var producerGroups: [String] { table.withLock { $0.producerGroups.keys.sorted() } }

    var isEmpty: Bool { table.withLock { $0.consumers.isEmpty && $0.producerGroups.isEmpty } }
}
