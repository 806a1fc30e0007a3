import MQProtocol
import Testing

@testable import RocketMQClient

@Suite struct AllocationTests {
    private func queues(_ count: Int, broker: String = "broker-a") -> [MessageQueue] {
        (0..<count).map { MessageQueue(topic: "t", brokerName: broker, queueID: $0) }
    }

    @Test func `shares are contiguous and the first are larger`() {
        let shares = ["c", "a", "b"].map {
            QueueAllocation.average(queues(8), members: ["c", "a", "b"], me: $0).map(\.queueID)
        }
        #expect(shares == [[6, 7], [0, 1, 2], [3, 4, 5]])
    }

    @Test func `more members than queues leaves some without`() {
        #expect(QueueAllocation.average(queues(1), members: ["a", "b"], me: "a").count == 1)
        #expect(QueueAllocation.average(queues(1), members: ["a", "b"], me: "b").isEmpty)
    }

    @Test func `who is no member gets nothing`() {
        #expect(QueueAllocation.average(queues(4), members: ["a"], me: "x").isEmpty)
        #expect(QueueAllocation.average(queues(4), members: [], me: "x").isEmpty)
    }

    @Test func `every queue goes to exactly one member`() {
        for queueCount in 0...17 {
            for memberCount in 1...9 {
                let all = queues(queueCount) + queues(queueCount, broker: "broker-b")
                let members = (0..<memberCount).map { "client-\($0)" }
                let shared = members.flatMap { QueueAllocation.average(all.shuffled(), members: members, me: $0) }
                #expect(shared.sorted() == all.sorted())
            }
        }
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
