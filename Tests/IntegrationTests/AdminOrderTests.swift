import Foundation
import MQJSON
import MQProtocol
import MQSystem
import MQTestKit
import Testing

@testable import MQAdmin
@testable import RocketMQClient

/// mqadmin's commands that order a broker or a name server to do something, against the real executables.
@Suite(.serialized, .enabled(if: RunningCluster.isBuilt), .timeLimit(.minutes(3))) struct RealAdminOrderTests {
    private func rows(_ output: String) -> [[String]] {
        output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    }

    /// A topic `t` of two queues with `count` messages in each of them.
    private func fill(_ cluster: RunningCluster, _ count: Int) async throws {
        try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", "t", "-r", "2", "-w", "2")
        let producer = try Producer(group: "p", client: cluster.client)
        try await producer.withRunning { producer in
            for queueID in 0..<2 {
                let queue = MessageQueue(topic: "t", brokerName: "broker-a", queueID: queueID)
                for index in 0..<count { try await producer.send(Message(topic: "t", body: [UInt8(index)]), to: queue) }
            }
        }
        try await eventually("both queues have them") {
            try await rows(cluster.admin("topicStatus", "-t", "t").output)
                .filter { $0.first == "broker-a" && $0[3] == "\(count)" }.count == 2
        }
    }

    /// A consumer of `t` from its first message on.
    private func consumer(_ group: String, _ cluster: RunningCluster, _ seen: Lines) async throws -> PushConsumer {
        var options = ConsumerOptions()
        options.consumeFromWhere = .firstOffset
        let consumer = try PushConsumer(group: group, options: options, client: cluster.client)
        try await consumer.subscribe("t")
        try await consumer.start { message, _ in
            seen.add("\(message.queueID)/\(message.queueOffset)")
            return .success
        }
        return consumer
    }

    @Test(arguments: ["true", "false"])
    func `a group goes on where it is told, with its members at work`(atServer: String) async throws {
        try await RunningCluster.run(["useServerSideResetOffset": atServer]) { cluster in
            try await fill(cluster, 5)
            let seen = Lines()
            let consumer = try await consumer("g", cluster, seen)
            try await eventually("all arrive") { seen.all.count == 10 }
            try await eventually("the progress is at the broker") {
                try await cluster.admin("consumerProgress", "-g", "g", "-t", "t").output
                    .contains("Consume Diff Total: 0\n")
            }
            let reset = try await cluster.admin("resetOffsetByTime", "-g", "g", "-t", "t", "-s", "0")
            #expect(reset.code == 0, "\(reset.errors)")
            let title =
                "start reset consumer offset by specified, group[g], topic[t], force[true], timestamp(string)[0], "
                + "timestamp(long)[0]\n"
            #expect(reset.output.hasPrefix(title), "\(reset.output)")
            #expect(rows(reset.output).dropFirst(1).first == ["#brokerName", "#queueId", "#offset"])
            #expect(rows(reset.output).dropFirst(2) == [["broker-a", "0", "0"], ["broker-a", "1", "0"]])
            try await eventually("all arrive again", within: .seconds(40)) { seen.all.count >= 20 }
            let json = try await cluster.admin("skipAccumulatedMessage", "-g", "g", "-t", "t", "--json")
            let queues = try JSON(parsing: json.output)["queues"].array ?? []
            #expect(queues.map { $0["offset"].int64 } == [5, 5], "\(json.errors)")
            await consumer.shutdown()
        }
    }

    @Test func `a group that is away goes on where it is told`() async throws {
        try await RunningCluster.run { cluster in
            try await fill(cluster, 5)
            try await cluster.admin("updateSubGroup", "-c", "DefaultCluster", "-g", "g")
            let skipped = try await cluster.admin("skipAccumulatedMessage", "-g", "g", "-t", "t")
            #expect(skipped.code == 0, "\(skipped.errors)")
            #expect(rows(skipped.output).suffix(2) == [["broker-a", "0", "5"], ["broker-a", "1", "5"]])
            let one = try await cluster.admin(
                "resetOffsetByTime", "-g", "g", "-t", "t", "-s", "0", "-b", cluster.brokerAddress, "-q", "1", "-o", "3")
            #expect(one.output.hasSuffix("reset consumer offset to 3\n"), "\(one.errors)")
            let far = try await cluster.admin(
                "resetOffsetByTime", "-g", "g", "-t", "t", "-s", "0", "-b", cluster.brokerAddress, "-q", "1", "-o",
                "99")
            #expect(far.code == 1 && far.errors.contains("Target offset 99 not in consume queue range [0-5]"))
            let seen = Lines()
            let consumer = try await consumer("g", cluster, seen)
            try await eventually("what is left arrives") { seen.all.sorted() == ["1/3", "1/4"] }
            await consumer.shutdown()
            let unknown = try await cluster.admin("resetOffsetByTime", "-g", "nobody", "-t", "t", "-s", "now")
            #expect(unknown.code == 1 && unknown.errors.hasPrefix("mqadmin resetOffsetByTime: group unknown: "))
            let bad = try await cluster.admin("resetOffsetByTime", "-g", "g", "-t", "t", "-s", "yesterday")
            #expect(bad.code == 1 && bad.errors.contains("yesterday is no time"))
        }
    }

    @Test func `a broker that wants members leaves the reset of a group without them to mqadmin`() async throws {
        try await RunningCluster.run(["useServerSideResetOffset": "false"]) { cluster in
            try await fill(cluster, 5)
            let seen = Lines()
            let consumer = try await consumer("g", cluster, seen)
            try await eventually("all arrive") { seen.all.count == 10 }
            await consumer.shutdown()
            let reset = try await cluster.admin("resetOffsetByTime", "-g", "g", "-t", "t", "-s", "0")
            #expect(reset.output.hasPrefix("reset consumer offset by specified consumerGroup[g], topic[t], "))
            #expect(
                rows(reset.output).suffix(2) == [
                    ["broker-a", "0", "5", "5", "0", "0"], ["broker-a", "1", "5", "5", "0", "0"],
                ], "\(reset.output) \(reset.errors)")
            let skipped = try await cluster.admin("skipAccumulatedMessage", "-g", "g", "-t", "t")
            #expect(rows(skipped.output).last?.last == "5", "\(skipped.errors)")
        }
    }

    @Test func `a group takes a topic by pop when it is told so`() async throws {
        try await RunningCluster.run { cluster in
            try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", "t")
            try await cluster.admin("updateSubGroup", "-c", "DefaultCluster", "-g", "g")
            // It never was a member, so that only the topic leads to its brokers.
            let progress = try await cluster.admin("consumerProgress", "-g", "g", "-t", "t")
            #expect(progress.output.hasSuffix("Consume Inflight Total: 0\n"), "\(progress.errors)")
            #expect(
                try await cluster.admin("consumerProgress", "-g", "g").errors.contains("group unknown: g has never"))
            let set = try await cluster.admin(
                "setConsumeMode", "-b", cluster.brokerAddress, "-t", "t", "-g", "g", "-m", "POP", "-q", "4")
            #expect(
                set.output == "set consume mode to \(cluster.brokerAddress) success.\n"
                    + "topic[t] group[g] consume mode[POP] popShareQueueNum[4]\n", "\(set.errors)")
            let admin = Admin(link: try ClusterLink(cluster.client))
            admin.link.start()
            let all = try await admin.link.ask(
                RemotingCommand(.getAllMessageRequestMode), at: cluster.brokerAddress)
            await admin.link.shutdown()
            #expect(
                try JSON(parsing: all.body)["messageRequestModeMap"]["t"]["g"]
                    == ["consumerGroup": "g", "mode": "POP", "popShareQueueNum": 4, "topic": "t"])
            let wrong = try await cluster.admin(
                "setConsumeMode", "-c", "DefaultCluster", "-t", "t", "-g", "g", "-m", "PUSH")
            #expect(wrong.errors == "mqadmin setConsumeMode: option -m expects PULL or POP, not PUSH")
            let absent = try await cluster.admin(
                "setConsumeMode", "-c", "DefaultCluster", "-t", "none", "-g", "g", "-m", "POP")
            #expect(absent.code == 1 && absent.errors.hasPrefix("mqadmin setConsumeMode: topic unknown: "))
        }
    }

    @Test func `a message is sent with a trace, which is found`() async throws {
        try await RunningCluster.run(["traceTopicEnable": "true"]) { cluster in
            try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", "t")
            let sent = try await cluster.admin("sendMessage", "-t", "t", "-p", "x", "-k", "k", "-m", "true", "--json")
            let id = try #require(try JSON(parsing: sent.output)["sends"][0]["msgId"].string, "\(sent.errors)")
            try await eventually("the trace is in the index") {
                try await cluster.admin("queryMsgTraceById", "-i", id).output.contains("\nPub ")
            }
            let toQueue = try await cluster.admin(
                "sendMessage", "-t", "t", "-p", "x", "-b", "broker-a", "-i", "3", "-c", "A")
            #expect(rows(toQueue.output).last?.prefix(3) == ["broker-a", "3", "SEND_OK"], "\(toQueue.errors)")
            let nowhere = try await cluster.admin("sendMessage", "-t", "t", "-p", "x", "-b", "broker-z")
            #expect(nowhere.errors.hasPrefix("mqadmin sendMessage: broker gone: no name server knows a master called "))
        }
    }

    @Test func `name servers, clusters of topics, members and replication are shown`() async throws {
        try await RunningCluster.run { cluster in
            try await cluster.withTraffic(count: 2) { consumer, _, _ in
                #expect(try await cluster.admin("topicClusterList", "-t", "t").output == "DefaultCluster\n")
                let member = try await cluster.admin("consumer", "-g", "g", "--json")
                let client = try JSON(parsing: member.output)["clients"][0]
                #expect(client["clientId"].string == consumer.link.clientID, "\(member.errors)")
                let file = try #require(client["runningInfoFile"].string)
                try FileManager.default.removeItem(atPath: String(file.prefix { $0 != "/" }))
                let shown = try await cluster.admin("haStatus", "-b", cluster.brokerAddress).output
                #expect(
                    shown.hasPrefix("\n#MasterAddr\t\(cluster.brokerAddress)\n#MasterCommitLogMaxOffset\t"),
                    "\(shown)")
                #expect(shown.contains("\n#SlaveNum\t0\n#InSyncSlaveNum\t0\n#SlaveAddr    "))
                let status = try await cluster.admin("haStatus", "-c", "DefaultCluster", "--json").output
                let brokers = try JSON(parsing: status)["brokers"]
                #expect((brokers[0]["status"]["masterCommitLogMaxOffset"].int64 ?? 0) > 0)
            }
            let updated = try await cluster.admin("updateNamesrvConfig", "-k", "orderMessageEnable", "-v", "true")
            #expect(
                updated.output
                    == "update name server config success![\(cluster.nameServers)]\norderMessageEnable : true\n",
                "\(updated.errors)")
            let wide = "orderMessageEnable".padding(toLength: 50, withPad: " ", startingAt: 0)
            #expect(try await cluster.admin("getNamesrvConfig").output.contains("\n\(wide)=  true\n"))
            let refused = try await cluster.admin("updateNamesrvConfig", "-k", "listenPort", "-v", "1")
            #expect(refused.code == 1)
        }
    }

    @Test func `each of the four kinds of trouble has its sentence`() async throws {
        try await RunningCluster.run { cluster in
            try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", "t", "-p", "2")
            let dead = try await cluster.plain("topicList", "-n", "127.0.0.1:1")
            let unknown = try await cluster.admin("topicStatus", "-t", "none")
            let closed = try await cluster.admin(
                "queryMsgByOffset", "-t", "t", "-b", "broker-a", "-i", "0", "-o", "0")
            let gone = try await cluster.admin("brokerStatus", "-b", "127.0.0.1:1")
            for (result, beginning) in [
                (dead, "mqadmin topicList: name server down: no name server answers at 127.0.0.1:1 ("),
                (unknown, "mqadmin topicStatus: topic unknown: no route info of this topic: none; see mqadmin "),
                (closed, "mqadmin queryMsgByOffset: no permission: CODE: 16  DESC: "),
                (gone, "mqadmin brokerStatus: broker gone: 127.0.0.1:1 does not answer ("),
            ] {
                #expect(result.code == 1 && result.output.isEmpty)
                #expect(result.errors.hasPrefix(beginning), "\(result.errors)")
                #expect(!result.errors.contains("\n"))
            }
        }
    }

    @Test(.enabled(if: ThisProcess.environment("NAMESRV_ADDR") == nil))
    func `what names its broker or its file needs no name server, the rest says so and does nothing`() async throws {
        try await RunningCluster.run { cluster in
            let status = try await cluster.plain("brokerStatus", "-b", cluster.brokerAddress)
            #expect(status.code == 0 && status.output.contains("commitLogMaxOffset"), "\(status)")
            let dump = try await cluster.plain("dumpCompactionLog", "-f", "/nowhere/at/all")
            #expect(dump.errors == "mqadmin dumpCompactionLog: file /nowhere/at/all not exist.")
            let calls = [
                ["topicList"], ["getNamesrvConfig"], ["updateNamesrvConfig", "-k", "a", "-v", "b"],
                ["updateKvConfig", "-s", "s", "-k", "k", "-v", "v"], ["deleteKvConfig", "-s", "s", "-k", "k"],
                ["wipeWritePerm", "-b", "broker-a"], ["addWritePerm", "-b", "broker-a"], ["clusterList"],
                ["sendMessage", "-t", "t", "-p", "x"], ["updateOrderConf", "-t", "t", "-m", "get"],
            ]
            for words in calls {
                let result = try await cluster.plain(words)
                #expect(result.code == 1 && result.output.isEmpty, "\(words): \(result)")
                #expect(
                    result.errors.hasPrefix("mqadmin \(words[0]): no name server is known: give one with -n"),
                    "\(result)")
            }
        }
    }

    @Test func `of two brokers, one that dies in the middle of a listing is named`() async throws {
        try await RunningCluster.run { cluster in
            let second = try await cluster.startSecondBroker()
            try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", "t")
            try await eventually("the topic is at both") {
                try await cluster.admin("topicStatus", "-t", "t").output.contains("broker-b")
            }
            second.freeze(true)
            for words in [
                ["getBrokerConfig", "-c", "DefaultCluster"], ["brokerStatus", "-c", "DefaultCluster"],
                ["topicStatus", "-t", "t"], ["clusterList"], ["printMsg", "-t", "t"], ["statsAll", "-t", "t"],
                ["cleanUnusedTopic", "-c", "DefaultCluster"], ["updateTopic", "-c", "DefaultCluster", "-t", "u"],
            ] {
                let result = try await cluster.admin(words)
                let sentence = "mqadmin \(words[0]): broker gone: \(second.address) does not answer"
                #expect(result.code == 1 && result.errors.hasPrefix(sentence), "\(words): \(result.errors)")
                #expect(!result.errors.contains("\n"))
            }
            second.freeze(false)
            #expect(try await cluster.admin("clusterList").code == 0)
        }
    }

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/zsh")))
    func `zsh completes commands and options`() async throws {
        try await RunningCluster.run { cluster in
            let script = cluster.folder.appending(path: "_mqadmin")
            try await cluster.plain("completion", "zsh").output.write(to: script, atomically: false, encoding: .utf8)
            // What the completion system would show: the two functions it is made of print what they are given.
            let test = """
                compdef() { : }
                _describe() { print -l -- ${commands%%:*} }
                compadd() { print -l -- $@ }
                _arguments() { print -l -- $@ }
                source \(script.path)
                words=(mqadmin topicS); CURRENT=2; _mqadmin | grep -c '^topicStatus$'
                words=(mqadmin topicStatus -); CURRENT=3; _mqadmin | grep -- '^--topic'
                words=(mqadmin completion ''); CURRENT=3; _mqadmin
                """
            let run = try await MQTestKit.Command.run(
                URL(filePath: "/usr/bin/zsh"), ["-f", "-c", test], environment: [:], in: cluster.folder)
            #expect(run.output == "1\n--topic[topic name]:topic:\nbash\nzsh\n", "\(run.errors)")
        }
    }
}
