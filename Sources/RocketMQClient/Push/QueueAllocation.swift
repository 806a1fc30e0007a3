import MQCrypto
public import MQProtocol

/// How a group's members share a topic's queues. All members must use the same one.
public struct QueueAllocation: Sendable {
    /// The name that RocketMQ knows it by.
    public let name: String
    private let choose: @Sendable (_ queues: [MessageQueue], _ members: [String], _ me: String) -> [MessageQueue]

    /// A way of one's own.
    /// - Parameter choose: the share of the member `me`. Queues and members come sorted, and `me` is among the members; all
    ///   members must come to shares that do not overlap.
    public init(
        name: String,
        _ choose: @escaping @Sendable (_ queues: [MessageQueue], _ members: [String], _ me: String) -> [MessageQueue]
    ) {
        self.name = name
        self.choose = choose
    }

    /// What is `me`'s.
    /// - Parameters:
    ///   - queues: in any order.
    ///   - members: client ids, in any order. If `me` is not among them the share is empty: the broker does not know us yet.
    public func share(of queues: [MessageQueue], members: [String], me: String, group: String) -> [MessageQueue] {
        let members = members.sorted()
        guard members.contains(me) else { return [] }
        return choose(queues.sorted(), members, me)
    }
}

extension QueueAllocation {
    /// Contiguous shares, the first members one queue more if it does not come out even.
    /// Source: `AllocateMessageQueueAveragely.java`, 5.3.
    public static let average = QueueAllocation(name: "AVG") { queues, members, me in
        share(of: queues, index: members.firstIndex(of: me) ?? 0, count: members.count)
    }

    /// The contiguous share of member `index` of `count`.
    /// - Precondition: `index` is in `0..<count`.
    public static func share(of queues: [MessageQueue], index: Int, count: Int) -> [MessageQueue] {
        precondition((0..<count).contains(index), "member \(index) of \(count)")
        let share = queues.count / count
        let rest = queues.count % count
        let start = index * share + min(index, rest)
        return Array(queues[start..<(start + share + (index < rest ? 1 : 0))])
    }

    /// Dealt out like cards. Source: `AllocateMessageQueueAveragelyByCircle.java`, 5.3.
    public static let averageByCircle = QueueAllocation(name: "AVG_BY_CIRCLE") { queues, members, me in
        let place = members.firstIndex(of: me) ?? 0
        return queues.indices.filter { $0 % members.count == place }.map { queues[$0] }
    }

    /// These queues and no others, whoever else there is. Source: `AllocateMessageQueueByConfig.java`, 5.3.
    public static func configured(_ queues: [MessageQueue]) -> QueueAllocation {
        let wanted = Set(queues)
        return QueueAllocation(name: "CONFIG") { queues, _, _ in queues.filter(wanted.contains) }
    }

    /// Few queues move when a member comes or goes: members and queues lie on a ring, and a queue goes to the next member.
    /// Source: `AllocateMessageQueueConsistentHash.java`, `ConsistentHashRouter.java`, 5.3.
    /// - Parameter virtualNodes: places of each member on the ring, at least 1.
    public static func consistentHash(virtualNodes: Int = 10) -> QueueAllocation {
        QueueAllocation(name: "CONSISTENT_HASH") { queues, members, me in
            let ring = HashRing(members, virtualNodes: max(1, virtualNodes))
            return queues.filter { ring.member(for: $0.text) == me }
        }
    }

    /// Queues of brokers in `rooms` only, shared in the average way. A broker's room stands before the `@` of its name:
    /// `room1@broker-a`. Source: `AllocateMessageQueueByMachineRoom.java`, 5.3.
    public static func machineRoom(_ rooms: Set<String>) -> QueueAllocation {
        QueueAllocation(name: "MACHINE_ROOM") { queues, members, me in
            let place = members.firstIndex(of: me) ?? 0
            let near = queues.filter { queue in
                let parts = queue.brokerName.split(separator: "@", omittingEmptySubsequences: false)
                return parts.count == 2 && rooms.contains(String(parts[0]))
            }
            let share = near.count / members.count
            let rest = near.count % members.count
            var mine = Array(near[(place * share)..<((place + 1) * share)])
            if place < rest { mine.append(near[place + share * members.count]) }
            return mine
        }
    }

    /// Queues go to members of their own machine room, as `inner` shares them; queues of rooms without members go to all.
    /// Source: `AllocateMachineRoomNearby.java`, 5.3.
    /// - Parameters:
    ///   - roomOfQueue: where the broker of a queue stands.
    ///   - roomOfMember: where the client of an id runs.
    public static func machineRoomNearby(
        _ inner: QueueAllocation, roomOfQueue: @escaping @Sendable (MessageQueue) -> String,
        roomOfMember: @escaping @Sendable (String) -> String
    ) -> QueueAllocation {
        QueueAllocation(name: "MACHINE_ROOM_NEARBY-" + inner.name) { queues, members, me in
            let membersByRoom = Dictionary(grouping: members, by: roomOfMember)
            let queuesByRoom = Dictionary(grouping: queues, by: roomOfQueue)
            let myRoom = roomOfMember(me)
            var mine = inner.choose(queuesByRoom[myRoom] ?? [], membersByRoom[myRoom] ?? [me], me)
            for room in queuesByRoom.keys.sorted() where membersByRoom[room] == nil {
                mine += inner.choose(queuesByRoom[room] ?? [], members, me)
            }
            return mine
        }
    }
}

/// Members on a ring of numbers, each at several places.
private struct HashRing {
    private var places: [(hash: UInt32, member: String)] = []

    init(_ members: [String], virtualNodes: Int) {
        for member in members {
            for node in 0..<virtualNodes { places.append((Self.hash("\(member)-\(node)"), member)) }
        }
        places.sort { ($0.hash, $0.member) < ($1.hash, $1.member) }
    }

    /// The member at the next place on the ring.
    func member(for key: String) -> String? {
        let hash = Self.hash(key)
        return (places.first { $0.hash >= hash } ?? places.first)?.member
    }

    /// The first four bytes of the MD5.
    private static func hash(_ key: String) -> UInt32 {
        Digest.md5(Array(key.utf8).span).prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }
}
