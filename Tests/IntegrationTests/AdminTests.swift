import Foundation
import MQProtocol
import MQTestKit
import Testing

@testable import RocketMQClient

/// mqadmin's commands against the real executables.
@Suite(.serialized, .enabled(if: RunningCluster.isBuilt), .timeLimit(.minutes(2))) struct RealAdminTests {
    private func words(_ line: Substring) -> [String] { line.split(separator: " ").map(String.init) }
    private func rows(_ output: String) -> [[String]] { output.split(separator: "\n").dropFirst().map(words) }

    @Test func `topics are made, shown, used and deleted`() async throws {
        try await RunningCluster.run { cluster in
            let made = try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", "t", "-r", "3", "-w", "2")
            #expect(made.code == 0)
            let config =
                "TopicConfig [topicName=t, readQueueNums=3, writeQueueNums=2, perm=RW-, "
                + "topicFilterType=SINGLE_TAG, topicSysFlag=0, order=false, attributes={}]\n"
            #expect(made.output == "create topic to \(cluster.brokerAddress) success.\n" + config)
            #expect(try await cluster.admin("topicList").output.split(separator: "\n").contains("t"))
            let route = try await cluster.admin("topicRoute", "-t", "t", "-l")
            #expect(
                rows(route.output)[0] == ["DefaultCluster", "broker-a", "{0=\(cluster.brokerAddress)}", "3", "2", "6"])
            let json = try await cluster.admin("topicRoute", "-t", "t").output
            #expect(json.contains("\"brokerAddrs\":{0:\"\(cluster.brokerAddress)\""))

            let sent = try await cluster.admin("sendMessage", "-t", "t", "-p", "hello", "-k", "k1", "-c", "A")
            #expect(rows(sent.output)[0].prefix(3).last == "SEND_OK")
            try await eventually("the message is counted") {
                let status = try await cluster.admin("topicStatus", "-t", "t").output
                #expect(status.contains("\nTopic Put TPS: "))
                return rows(status).filter { $0.first == "broker-a" }.compactMap { Int($0[3]) }.reduce(0, +) == 1
            }

            let gone = try await cluster.admin("deleteTopic", "-t", "t", "-c", "DefaultCluster")
            #expect(
                gone.output == "delete topic [t] from cluster [DefaultCluster] success.\n"
                    + "delete topic [t] from NameServer success.\n")
            let absent = try await cluster.admin("topicStatus", "-t", "t")
            #expect(absent.code == 1 && absent.errors.contains("no route info of this topic: t"))
        }
    }

    @Test func `a message is found by its ids, its key and its offset`() async throws {
        try await RunningCluster.run { cluster in
            try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", "t")
            let producer = try Producer(group: "p", client: cluster.client)
            try await producer.start()
            let result = try await producer.send(Message(topic: "t", tags: "A", keys: ["k1", "k2"], body: [65, 66]))
            await producer.shutdown()
            try await eventually("the queue has it") {
                let queue = String(result.queue.queueID)
                return try await cluster.admin("queryMsgByOffset", "-t", "t", "-b", "broker-a", "-i", queue, "-o", "0")
                    .code == 0
            }
            let byOffset = try await cluster.admin(
                "queryMsgByOffset", "-t", "t", "-b", "broker-a", "-i", "\(result.queue.queueID)", "-o", "0", "-f",
                "UTF-8")
            #expect(byOffset.output.contains("OffsetID:            \(result.offsetMessageID)\n"))
            #expect(byOffset.output.contains("Message Body:        AB\n"))
            let byID = try await cluster.admin("queryMsgById", "-t", "t", "-i", result.offsetMessageID)
            #expect(byID.output.contains("Keys:                [k1 k2]\n"))
            #expect(byID.output.hasSuffix("WARN: No Consumer\n"))
            try await eventually("the index has it") {
                try await cluster.admin("queryMsgByKey", "-t", "t", "-k", "k2").code == 0
            }
            let byKey = try await cluster.admin("queryMsgByKey", "-t", "t", "-k", "k2")
            #expect(rows(byKey.output) == [[result.messageID, "\(result.queue.queueID)", "0"]])
            let byUnique = try await cluster.admin("queryMsgByUniqueKey", "-t", "t", "-i", result.messageID)
            #expect(byUnique.output.hasPrefix("Topic:               t\n") && byUnique.output.contains("[k1 k2]"))
            #expect(try await cluster.admin("queryMsgByKey", "-t", "t", "-k", "none").code == 1)
        }
    }

    @Test func `clusters, brokers and their configuration are listed`() async throws {
        try await RunningCluster.run { cluster in
            let list = try await cluster.admin("clusterlist").output
            #expect(rows(list)[0].prefix(5) == ["DefaultCluster", "broker-a", "0", cluster.brokerAddress, "V5_3_3"])
            #expect(rows(list)[0].last == "true")
            #expect(try await cluster.admin("clusterList", "-m").output.contains("#InTotalYest"))
            let status = try await cluster.admin("brokerStatus", "-b", cluster.brokerAddress).output
            #expect(status.contains("brokerVersionDesc               : V5_3_3\n"))
            let config = try await cluster.admin("getBrokerConfig", "-c", "DefaultCluster").output
            #expect(config.hasPrefix("============Master: \(cluster.brokerAddress)============\n"))
            let wide = "brokerName".padding(toLength: 50, withPad: " ", startingAt: 0)
            #expect(config.contains("\n\(wide)=  broker-a\n"))
        }
    }

    @Test func `groups are made, watched and deleted`() async throws {
        try await RunningCluster.run { cluster in
            let made = try await cluster.admin("updateSubGroup", "-c", "DefaultCluster", "-g", "g", "-r", "5")
            #expect(made.output.hasPrefix("create subscription group to \(cluster.brokerAddress) success.\n"))
            #expect(made.output.contains("retryMaxTimes=5"))
            try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", "t")
            let producer = try Producer(group: "p", client: cluster.client)
            try await producer.start()
            try await producer.send(Message(topic: "t", body: [1]))
            let consumer = try PushConsumer(group: "g", client: cluster.client)
            try await consumer.subscribe("t", "A || B")
            try await consumer.start { _, _ in .success }
            try await eventually("both are known") {
                let consumers = try await cluster.admin("consumerConnection", "-g", "g")
                let producers = try await cluster.admin("producerConnection", "-g", "p", "-t", "t")
                return consumers.code == 0 && producers.code == 0
            }
            let connections = try await cluster.admin("consumerConnection", "-g", "g").output
            #expect(connections.contains(consumer.link.clientID))
            #expect(connections.contains("t                    A || B\n"))
            #expect(connections.hasSuffix("ConsumeFromWhere: CONSUME_FROM_LAST_OFFSET\n"))
            let producers = try await cluster.admin("producerConnection", "-g", "p", "-t", "t").output
            #expect(producers.hasPrefix("0001  \(producer.link.clientID)"))
            try await eventually("the group shows") {
                try await rows(cluster.admin("consumerProgress").output).contains {
                    Array($0.prefix(5)) == ["g", "1", "V5_3_3", "PUSH", "CLUSTERING"]
                }
            }
            let progress = try await cluster.admin("consumerProgress", "-g", "g").output
            #expect(progress.contains("#Consumer Offset") && progress.contains("Consume Diff Total: "))
            await consumer.shutdown()
            await producer.shutdown()
            #expect(try await cluster.admin("consumerConnection", "-g", "g").errors.contains("not online"))
            #expect(try await cluster.admin("deleteSubGroup", "-c", "DefaultCluster", "-g", "g").code == 0)
        }
    }

    @Test func `permissions, configuration and values change while it runs`() async throws {
        try await RunningCluster.run { cluster in
            try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", "t")
            let perm = try await cluster.admin("updateTopicPerm", "-b", cluster.brokerAddress, "-t", "t", "-p", "4")
            #expect(perm.output.hasPrefix("update topic perm from 6 to 4 in \(cluster.brokerAddress) success.\n"))
            let refused = try await cluster.admin("sendMessage", "-t", "t", "-p", "x")
            #expect(refused.errors.contains("topic t has no queue that may be written"))
            try await cluster.admin("updateTopicPerm", "-c", "DefaultCluster", "-t", "t", "-p", "6")
            #expect(try await cluster.admin("sendMessage", "-t", "t", "-p", "x").code == 0)
            let wiped = try await cluster.admin("wipeWritePerm", "-b", "broker-a")
            #expect(
                wiped.output.hasPrefix(
                    "wipe write perm of broker[broker-a] in name server[\(cluster.nameServers)] OK, "))
            #expect(try await cluster.admin("addWritePerm", "-b", "broker-a").code == 0)
            let config = try await cluster.admin("getNamesrvConfig").output
            #expect(config.hasPrefix("============\(cluster.nameServers)============\n"))
            #expect(config.contains("listenPort") && config.contains("=  \(cluster.nameServerPort)\n"))
            #expect(try await cluster.admin("updateKvConfig", "-s", "n", "-k", "a", "-v", "b").code == 0)
            #expect(try await cluster.admin("deleteKvConfig", "-s", "n", "-k", "a").code == 0)
            let unknown = try await cluster.admin(
                "updateBrokerConfig", "-c", "DefaultCluster", "-k", "nonsense", "-v", "1")
            #expect(unknown.code == 1 && unknown.errors.contains("nonsense"))
            try await eventually("the message can be read") {
                try await cluster.admin("printMsg", "-t", "t", "-d", "true").output.contains(" BODY: x\n")
            }
        }
    }

    @Test func `a broker that is gone makes one sentence`() async throws {
        try await RunningCluster.run { cluster in
            try await cluster.killBroker()
            let result = try await cluster.admin("brokerStatus", "-b", cluster.brokerAddress)
            #expect(result.code == 1 && result.output.isEmpty)
            #expect(
                result.errors.hasPrefix("mqadmin brokerStatus: broker gone: \(cluster.brokerAddress) does not answer"))
            #expect(!result.errors.contains("\n"))
        }
    }
}
