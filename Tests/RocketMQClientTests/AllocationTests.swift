import MQProtocol
import Testing

@testable import RocketMQClient

@Suite struct AllocationTests {
    private func queues(_ count: Int, broker: String = "broker-a") -> [MessageQueue] {
        (0..<count).map { MessageQueue(topic: "t", brokerName: broker, queueID: $0) }
    }

    private func average(_ queues: [MessageQueue], members: [String], me: String) -> [MessageQueue] {
        QueueAllocation.average.share(of: queues, members: members, me: me, group: "g")
    }

    @Test func `shares are contiguous and the first are larger`() {
        let shares = ["c", "a", "b"].map {
            average(queues(8), members: ["c", "a", "b"], me: $0).map(\.queueID)
        }
        #expect(shares == [[6, 7], [0, 1, 2], [3, 4, 5]])
    }

    @Test func `more members than queues leaves some without`() {
        #expect(average(queues(1), members: ["a", "b"], me: "a").count == 1)
        #expect(average(queues(1), members: ["a", "b"], me: "b").isEmpty)
    }

    @Test func `who is no member gets nothing`() {
        #expect(average(queues(4), members: ["a"], me: "x").isEmpty)
        #expect(average(queues(4), members: [], me: "x").isEmpty)
    }

    @Test func `every queue goes to exactly one member`() {
        for queueCount in 0...17 {
            for memberCount in 1...9 {
                let all = queues(queueCount) + queues(queueCount, broker: "broker-b")
                let members = (0..<memberCount).map { "client-\($0)" }
                let shared = members.flatMap { average(all.shuffled(), members: members, me: $0) }
                #expect(shared.sorted() == all.sorted())
            }
        }
    }

    private static let strategies: [QueueAllocation] = [
        .average, .averageByCircle, .consistentHash(), .consistentHash(virtualNodes: 1), .machineRoom(["a", "b"]),
        .machineRoomNearby(.average, roomOfQueue: { String($0.brokerName.prefix(1)) }) { String($0.suffix(1)) },
        .machineRoomNearby(.averageByCircle, roomOfQueue: { _ in "elsewhere" }) { String($0.suffix(1)) },
    ]

    @Test(arguments: 0..<7)
    func `whatever the strategy, every queue goes to exactly one member`(index: Int) {
        let strategy = Self.strategies[index]
        for queueCount in 0...9 {
            for memberCount in 1...5 {
                let all = queues(queueCount, broker: "a@x") + queues(queueCount, broker: "b@x")
                let members = (0..<memberCount).map { "client-\($0)\($0 % 2 == 0 ? "a" : "b")" }
                let shared = members.flatMap {
                    strategy.share(of: all.shuffled(), members: members.shuffled(), me: $0, group: "g")
                }
                #expect(shared.sorted() == all.sorted(), "\(strategy.name) \(queueCount) \(memberCount)")
            }
        }
    }

    private func share(_ strategy: QueueAllocation, _ queues: [MessageQueue], _ me: String) -> [String] {
        strategy.share(of: queues, members: ["a", "b", "c"], me: me, group: "g").map { "\($0.brokerName)\($0.queueID)" }
    }

    @Test func `a circle deals the queues out like cards`() {
        #expect(share(.averageByCircle, queues(8, broker: "q"), "b") == ["q1", "q4", "q7"])
    }

    @Test func `a configuration names the queues, those that are there`() {
        let wanted = [queues(1, broker: "q")[0], queues(1, broker: "gone")[0]]
        #expect(share(.configured(wanted), queues(8, broker: "q"), "b") == ["q0"])
    }

    @Test func `brokers of other machine rooms are left alone`() {
        let all = queues(4, broker: "near@q") + queues(4, broker: "far@q") + queues(4, broker: "nowhere")
        #expect(share(.machineRoom(["near"]), all, "a") == ["near@q0", "near@q3"])
        #expect(share(.machineRoom(["near"]), all, "c") == ["near@q2"])
    }

    @Test func `nearby members take their room's queues, and queues without neighbours go to all`() {
        let nearby = QueueAllocation.machineRoomNearby(.average, roomOfQueue: { String($0.brokerName.prefix(1)) }) {
            $0
        }
        let all = queues(2, broker: "a1") + queues(3, broker: "z1")
        #expect(share(nearby, all, "a") == ["a10", "a11", "z10"])
        #expect(share(nearby, all, "b") == ["z11"])
        #expect(nearby.name == "MACHINE_ROOM_NEARBY-AVG")
    }

    @Test func `few queues move on the ring when a member goes`() {
        let all = queues(60, broker: "q")
        let ring = QueueAllocation.consistentHash(virtualNodes: 50)
        let before = share(ring, all, "a")
        let after = ring.share(of: all, members: ["a", "b"], me: "a", group: "g").map { "q\($0.queueID)" }
        #expect(Set(before).isSubset(of: after) && after.count < 60 && !before.isEmpty)
    }

    // MARK: - Publishing

    private let route = TopicRouteData(
        brokerDatas: [
            BrokerData(cluster: "c", brokerName: "b", brokerAddrs: [0: "1.1.1.1:1"]),
            BrokerData(cluster: "c", brokerName: "a", brokerAddrs: [0: "1.1.1.2:1"]),
            BrokerData(cluster: "c", brokerName: "slaves", brokerAddrs: [1: "1.1.1.3:1"]),
        ],
        queueDatas: [
            QueueData(brokerName: "b", readQueueNums: 9, writeQueueNums: 2, perm: [.read, .write]),
            QueueData(brokerName: "a", readQueueNums: 9, writeQueueNums: 1, perm: [.write]),
            QueueData(brokerName: "slaves", readQueueNums: 4, writeQueueNums: 4, perm: [.read, .write]),
            QueueData(brokerName: "gone", readQueueNums: 4, writeQueueNums: 4, perm: [.read, .write]),
        ])

    @Test func `only writable queues with a master are sent to`() {
        let queues = PublishQueues(topic: "t", route: route).queues
        #expect(queues.map { "\($0.brokerName)\($0.queueID)" } == ["a0", "b0", "b1"])
    }

    @Test func `a failed broker is avoided while there is another`() {
        let queues = PublishQueues(topic: "t", route: route)
        #expect(queues.pick(1, avoiding: "b")?.brokerName == "a")
        #expect(queues.pick(4)?.brokerName == "b")
        let one = PublishQueues(
            topic: "t", route: TopicRouteData(brokerDatas: route.brokerDatas, queueDatas: [route.queueDatas[0]]))
        #expect(one.pick(0, avoiding: "b")?.brokerName == "b")
        #expect(PublishQueues(topic: "t", route: TopicRouteData()).pick(0) == nil)
    }

    @Test func `an order configuration names the queues itself`() {
        var ordered = route
        ordered.orderTopicConf = "b:1;a:2;bad;x:-1"
        let queues = PublishQueues(topic: "t", route: ordered).queues
        #expect(queues.map { "\($0.brokerName)\($0.queueID)" } == ["b0", "a0", "a1"])
    }

    @Test func `only readable queues are consumed`() {
        let queues = PushConsumer.readableQueues("t", route)
        #expect(queues.count == 9 + 4 + 4)
        #expect(!queues.contains { $0.brokerName == "a" })
    }
}
