public import MQProtocol

/// How a group's members share a topic's queues.
public enum QueueAllocation {
    /// Contiguous shares, the first members one queue more if it does not come out even. All members must see the same
    /// `queues` and `members` to agree.
    /// - Parameters:
    ///   - queues: in any order; sorted here.
    ///   - members: client ids, in any order; sorted here. If `me` is not among them the share is empty.
    /// Source: `AllocateMessageQueueAveragely.java`, 5.3.
    public static func average(_ queues: [MessageQueue], members: [String], me: String) -> [MessageQueue] {
        let queues = queues.sorted()
        let members = members.sorted()
        guard let index = members.firstIndex(of: me) else { return [] }
        return share(of: queues, index: index, count: members.count)
    }

    /// The share of member `index` of `count`.
    /// - Precondition: `index` is in `0..<count`.
    public static func share(of queues: [MessageQueue], index: Int, count: Int) -> [MessageQueue] {
        precondition((0..<count).contains(index), "member \(index) of \(count)")
        let share = queues.count / count
        let rest = queues.count % count
        let start = index * share + min(index, rest)
        return Array(queues[start..<(start + share + (index < rest ? 1 : 0))])
    }
}
