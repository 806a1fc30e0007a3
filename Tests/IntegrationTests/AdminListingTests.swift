import Foundation
import MQJSON
import MQProtocol
import MQTestKit
import Testing

@testable import MQAdmin
@testable import RocketMQClient

/// mqadmin's commands that look at what runs, against the real executables.
@Suite(.serialized, .enabled(if: RunningCluster.isBuilt), .timeLimit(.minutes(3))) struct RealAdminListingTests {
    private func words(_ line: Substring) -> [String] { line.split(separator: " ").map(String.init) }
    private func rows(_ output: String) -> [[String]] { output.split(separator: "\n").dropFirst().map(words) }
    private func json(_ result: (code: Int32, output: String, errors: String)) throws -> JSON {
        #expect(result.code == 0, "\(result.errors)")
        return try JSON(parsing: result.output)
    }

    @Test func `what came in and went out is told by topic and group`() async throws {
        try await RunningCluster.run { cluster in
            try await cluster.withTraffic(count: 20) { _, producer, _ in
                let stats = try json(try await cluster.admin("statsAll", "-t", "t", "--json"))["topics"][0]
                #expect(stats["consumerGroup"].string == "g")
                #expect(stats["inMessages24Hours"].int64 == 20)
                #expect(stats["outMessages24Hours"].int64 == 20)
                #expect((stats["inTps"].double ?? 0) > 0)
                let columns = rows(try await cluster.admin("statsAll", "-a").output)
                #expect(columns.contains { $0.prefix(2) == ["t", "g"] && $0.suffix(2) == ["20", "20"] })
                let status = try json(try await cluster.admin("topicStatus", "-t", "t", "--json"))
                #expect((status["topicPutTps"].double ?? 0) > 0)
                #expect(status["queues"].array?.compactMap { $0["maxOffset"].int64 }.reduce(0, +) == 20)
                try await eventually("the progress is committed") {
                    let all = try await cluster.admin("brokerConsumeStats", "-b", cluster.brokerAddress)
                    return all.output.hasSuffix("\nDiff Total: 0\n")
                        && rows(all.output).contains { $0.prefix(2) == ["t", "g"] }
                }
                let progress = try json(try await cluster.admin("consumerProgress", "-g", "g", "-s", "true", "--json"))
                #expect((progress["consumeTps"].double ?? 0) > 0)
                #expect(progress["queues"].array?.contains { $0["clientIP"].string != "N/A" } == true)
                let figures = try await cluster.admin("brokerStatus", "-b", cluster.brokerAddress).output
                #expect(figures.contains("putMessageDistributeTime        : [<=0ms]:"))
                let slowest = try #require(figures.firstMatch(of: /putLatency999 +: ([0-9.]+)/))
                #expect((Double(slowest.output.1) ?? 0) > 0)
                func stored(_ topic: String) async throws -> Int64? {
                    try json(try await cluster.admin("statsAll", "-t", topic, "--json"))["topics"][0][
                        "inMessages24Hours"
                    ].int64
                }
                var late = Message(topic: "t", body: [1])
                late.delayLevel = 1
                try await producer.send(late)
                #expect(try await stored("SCHEDULE_TOPIC_XXXX") == 1)
                try await eventually("it is delivered, and counts for its topic") { try await stored("t") == 21 }
            }
        }
    }

    @Test func `clients are looked into`() async throws {
        try await RunningCluster.run { cluster in
            try await cluster.withTraffic(count: 4) { consumer, producer, sent in
                let status = try json(
                    try await cluster.admin("consumerStatus", "-g", "g", "-i", consumer.link.clientID, "--json"))
                #expect(status["runningInfo"]["properties"]["PROP_CONSUME_TYPE"].string == "CONSUME_PASSIVELY")
                let text = try await cluster.admin("consumerStatus", "-g", "g", "-i", consumer.link.clientID).output
                #expect(text.hasPrefix("#Consumer Properties#\n"))
                let folder = FileManager.default.currentDirectoryPath
                let all = try json(try await cluster.admin("consumerStatus", "-g", "g", "--json"))
                #expect(all["sameSubscription"].bool == true)
                let file = try #require(all["clients"][0]["runningInfoFile"].string)
                let saved = try String(contentsOfFile: folder + "/" + file, encoding: .utf8)
                #expect(saved.contains("#Consumer Subscription#"))
                try FileManager.default.removeItem(atPath: folder + "/" + file.prefix { $0 != "/" })
                try await eventually("the producer is known") {
                    try await cluster.admin("producer", "-b", cluster.brokerAddress).output
                        .contains("producer group (p) instance : clientId=\(producer.link.clientID),")
                }
                try await eventually("the progress is committed and watched") {
                    try json(try await cluster.admin("startMonitoring", "--json"))["undone"].array?
                        .contains { $0["consumerGroup"].string == "g" } == true
                }
                let units = try await cluster.admin(
                    "queryCq", "-t", "t", "-q", "\(sent.queue.queueID)", "-i", "0", "-c", "1", "-g", "g"
                ).output
                #expect(units.hasPrefix("Subscription data: \n{"))
                #expect(units.contains("\nQueue data: \nmax: 2, min: 0\n"))
                #expect(units.contains("idx: 0\nConsumeQueueData{physicOffset="))
            }
            let offline = try await cluster.admin("consumerStatus", "-g", "nobody")
            #expect(offline.code == 1)
            #expect(offline.errors.hasPrefix("mqadmin consumerStatus: group unknown: nobody has never consumed here"))
        }
    }

    @Test func `messages are read by queue, time and number`() async throws {
        try await RunningCluster.run { cluster in
            try await cluster.withTraffic(count: 6) { _, _, sent in
                let queue = "\(sent.queue.queueID)"
                let tags = try await cluster.admin(
                    "printMsgByQueue", "-t", "t", "-a", "broker-a", "-i", queue, "-f", "true"
                ).output
                #expect(rows("\n" + tags).allSatisfy { $0[0] == "Tag:" && $0[2] == "Count:" } && !tags.isEmpty)
                let bodies = try await cluster.admin(
                    "printMsgByQueue", "-t", "t", "-a", "broker-a", "-i", queue, "-p", "true", "-d", "true"
                ).output
                #expect(bodies.split(separator: "\n").count == 3 && bodies.contains(" BODY: body "))
                let some = try json(try await cluster.admin("consumeMessage", "-t", "t", "-c", "4", "--json"))
                #expect(some["messages"].array?.count == 4)
                let rest = try await cluster.admin(
                    "consumeMessage", "-t", "t", "-b", "broker-a", "-i", queue, "-o", "2"
                ).output
                #expect(rest.hasPrefix("Consume ok\nMSGID: \(sent.messageID) "))
                let tagged = try await cluster.admin("printMsg", "-t", "t", "-s", "C").output
                #expect(tagged.contains("queueId=0] no matched msg. status=NO_MATCHED_MSG, offset=3\n"), "\(tagged)")
                let none = try json(try await cluster.admin("printMsg", "-t", "t", "-e", "1000", "--json"))
                #expect(none["messages"] == [])
                let early = try await cluster.admin("consumeMessage", "-t", "t", "-s", "9999-01-01#00:00:00:000")
                #expect(early.errors == "mqadmin consumeMessage: Please set the beginTimestamp before now!")
                let shown = try json(
                    try await cluster.admin("queryMsgById", "-t", "t", "-i", sent.offsetMessageID, "--json"))
                #expect(shown["messages"][0]["body"].string == "body 5")
                // What a producer was told: no address, though its digits could be read as one.
                let unique = try json(
                    try await cluster.admin("queryMsgById", "-t", "t", "-i", sent.messageID, "--json"))
                #expect(unique["messages"][0]["offsetMsgId"].string == sent.offsetMessageID)
                let nobody = try await cluster.admin("queryMsgById", "-t", "t", "-i", "xyz")
                #expect(nobody.errors == "mqadmin queryMsgById: no message of the topic t has the id xyz")
                let again = try await cluster.admin("queryMsgById", "-t", "t", "-i", sent.offsetMessageID, "-s", "true")
                #expect(again.output.contains("SendResult [sendStatus=SEND_OK, msgId="))
            }
        }
    }

    @Test func `a trace is found by the message's id`() async throws {
        try await RunningCluster.run { cluster in
            try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", "traces")
            let producer = try Producer(group: "tracer", client: cluster.client)
            try await producer.start()
            let sent = ["Pub", "1795241524905", "r", "pg", "t", "ID1", "A", "k", "h:1", "5", "7", "0", "OFF", "true"]
            let after = ["SubAfter", "req", "ID1", "9", "false", "k", "0", "1795241524999", "cg"]
            let body = [sent, after].map { $0.joined(separator: "\u{1}") + "\u{2}" }.joined()
            try await producer.send(Message(topic: "traces", keys: ["ID1", "k"], body: Array(body.utf8)))
            await producer.shutdown()
            try await eventually("the index has it") {
                try await cluster.admin("queryMsgTraceById", "-i", "ID1", "-t", "traces").code == 0
            }
            let shown = try await cluster.admin("queryMsgTraceById", "-i", "ID1", "-t", "traces").output
            #expect(
                shown.hasPrefix("#Type      #ProducerGroup       #ClientHost          #SendTime            #CostTimes ")
            )
            #expect(
                shown.contains("\nPub        pg                   127.0.0.1            ")
                    && shown.contains(" 7ms        success"))
            #expect(shown.contains("\nSub        cg                   ") && shown.contains(" 9ms        failed"))
            let none = try await cluster.admin("queryMsgTraceById", "-i", "ID2", "-t", "traces")
            #expect(none.code == 1 && none.errors.contains("no trace of the message ID2"))
        }
    }

    @Test func `progress is cloned and rolled back`() async throws {
        try await RunningCluster.run { cluster in
            try await cluster.withTraffic(count: 6) { _, _, _ in }
            try await cluster.admin("updateSubGroup", "-c", "DefaultCluster", "-g", "g2")
            let cloned = try await cluster.admin("cloneGroupOffset", "-s", "g", "-d", "g2", "-t", "t")
            #expect(
                cloned.output == "clone group offset success. srcGroup[g], destGroup=[g2], topic[t]\n",
                "\(cloned.errors)")
            let admin = Admin(link: try ClusterLink(cluster.client))
            admin.link.start()
            func standing() async throws -> Int64 {
                var sum: Int64 = 0
                for (queue, address) in try await admin.readableQueues(of: "t") {
                    sum += try await admin.link.consumerOffset(of: "g2", in: queue, at: address) ?? 0
                }
                return sum
            }
            #expect(try await standing() == 6)
            let back = try await admin.rollBack("g2", topic: "t", to: 0, force: false)
            #expect(back.map(\.resetOffset) == [0, 0])
            let forward = try await admin.rollBack("g2", topic: "t", to: -1, force: false)
            #expect(forward.map(\.resetOffset) == [0, 0] && forward.map(\.timestampOffset).reduce(0, +) == 6)
            _ = try await admin.rollBack("g2", topic: "t", to: -1, force: true)
            #expect(try await standing() == 6)
            await admin.link.shutdown()
            let none = try await cluster.admin("cloneGroupOffset", "-s", "nobody", "-d", "g2", "-t", "t")
            #expect(none.code == 1)
        }
    }

    @Test func `topics, groups and orders come from files and go into files`() async throws {
        try await RunningCluster.run { cluster in
            let topics = cluster.folder.appending(path: "topics.in")
            try #"[{"topicName":"one","readQueueNums":1,"writeQueueNums":1},{"topicName":"two"}]"#.write(
                to: topics, atomically: false, encoding: .utf8)
            let made = try await cluster.admin("updateTopicList", "-c", "DefaultCluster", "-f", topics.path)
            #expect(
                made.output
                    == "submit batch of topic config to \(cluster.brokerAddress) success, please check the result "
                    + "later.\n", "\(made.errors)")
            let groups = cluster.folder.appending(path: "groups.in")
            try #"[{"groupName":"g1","retryMaxTimes":3},{"groupName":"g2"}]"#.write(
                to: groups, atomically: false, encoding: .utf8)
            #expect(
                try await cluster.admin("updateSubGroupList", "-b", cluster.brokerAddress, "-f", groups.path).code == 0)
            let config = try await cluster.admin("getConsumerConfig", "-g", "g1").output
            let line = String(repeating: "=", count: 29)
            #expect(
                config.hasPrefix(
                    "\(line)DefaultCluster:broker-a\(line)\ngroupName                               =  g1\n"))
            #expect(config.contains("\nretryMaxTimes                           =  3\n"))
            #expect(try await cluster.admin("getConsumerConfig", "-g", "none").errors.contains("group unknown"))
            #expect(try await cluster.admin("updateOrderConf", "-t", "one", "-m", "put", "-v", "broker-a:1").code == 0)
            let order = try await cluster.admin("updateOrderConf", "-t", "one", "-m", "get")
            #expect(order.output == "get orderConf success. topic=[one], orderConf=[broker-a:1] \n")
            #expect(try await cluster.admin("updateOrderConf", "-t", "one", "-m", "delete").code == 0)
            #expect(try await cluster.admin("updateOrderConf", "-t", "one", "-m", "get").code == 1)
            try await eventually("the topic has its route") {
                try await cluster.admin("topicRoute", "-t", "two").code == 0
            }
            let shares = try json(try await cluster.admin("allocateMQ", "-t", "two", "-i", "b,a,c"))["result"]
            #expect(["b", "a", "c"].map { shares[$0].array?.count } == [6, 5, 5])
            let folder = cluster.folder.appending(path: "export")
            for (command, file, member) in [
                ("exportConfigs", "configs.json", "brokerConfigs"),
                ("exportMetadata", "metadata.json", "topicConfigTable"),
                ("exportMetrics", "metrics.json", "evaluateReport"),
            ] {
                let done = try await cluster.admin(command, "-c", "DefaultCluster", "-f", folder.path)
                #expect(done.output == "export \(folder.path)/\(file) success\n", "\(done.errors)")
                let document = try JSON(parsing: String(contentsOf: folder.appending(path: file), encoding: .utf8))
                #expect(document[member].object?.isEmpty == false)
                if command == "exportMetrics" {
                    let broker = document[member]["broker-a"]
                    #expect(Int(broker["runtimeEnv"]["cpuNum"].string ?? "") ?? 0 > 0)
                    #expect(broker["runtimeQuota"]["topicSize"].int64 == 2)
                }
                if command == "exportMetadata" {
                    #expect(document[member].object?.map { $0.key.string } == ["one", "two"])
                    #expect(document["subscriptionGroupTable"].object?.map { $0.key.string } == ["g1", "g2"])
                }
            }
            let one = try await cluster.admin(
                "exportMetadata", "-b", cluster.brokerAddress, "-t", "-f", folder.path)
            #expect(one.output == "export \(folder.path)/topic.json success\n", "\(one.errors)")
            let file = try String(contentsOf: folder.appending(path: "topic.json"), encoding: .utf8)
            #expect(try JSON(parsing: file).object?.map { $0.key.string } == ["dataVersion", "topicConfigTable"])
            let missing = try await cluster.admin("updateTopicList", "-c", "DefaultCluster", "-f", "/no/such/file")
            #expect(missing.errors == "mqadmin updateTopicList: the file path /no/such/file does not exists")
        }
    }

    @Test func `times of sends are taken`() async throws {
        try await RunningCluster.run { cluster in
            try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", "t")
            let checked = try await cluster.admin("checkMsgSendRT", "-t", "t", "-a", "5", "-s", "10")
            let sends = rows(checked.output)
            #expect(sends.count == 6 && sends.prefix(5).allSatisfy { $0[0] == "broker-a" && $0[2] == "true" })
            #expect(sends.last?.prefix(2) == ["Avg", "RT:"])
            let round = try await cluster.admin("clusterRT", "-a", "3", "-i", "0")
            #expect(rows(round.output)[0].prefix(2) == ["DefaultCluster", "broker-a"], "\(round.errors)")
            #expect(rows(round.output)[0].suffix(2) == ["3", "0"])
            let status = try await cluster.admin("sendMsgStatus", "-b", "DefaultCluster_broker-a", "-c", "2")
            #expect(status.output.split(separator: "\n").count == 2, "\(status.errors)")
            #expect(status.output.contains("ms, SendResult=SendResult [sendStatus=SEND_OK, msgId="))
        }
    }

    @Test func `a broker that dies while it is asked is named`() async throws {
        try await RunningCluster.run { cluster in
            try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", "t")
            cluster.freezeBroker()
            for (command, words) in [
                ("topicStatus", ["-t", "t"]), ("statsAll", ["-t", "t"]), ("topicList", ["-c"]),
                ("printMsg", ["-t", "t"]),
                ("brokerConsumeStats", ["-b", cluster.brokerAddress, "-t", "500"]),
            ] {
                let result = try await cluster.admin([command] + words)
                #expect(result.code == 1, "\(command)")
                #expect(
                    result.errors.hasPrefix(
                        "mqadmin \(command): broker gone: \(cluster.brokerAddress) does not answer"),
                    "\(result.errors)")
                #expect(!result.errors.contains("\n"))
            }
            // The list of the cluster still shows it, with an empty row, and says why.
            let list = try await cluster.admin("clusterList")
            #expect(list.code == 1 && rows(list.output)[0].last == "false")
            #expect(
                list.errors.hasPrefix("mqadmin clusterList: broker gone: \(cluster.brokerAddress) does not answer"))
            cluster.freezeBroker(false)
            #expect(try await cluster.admin("topicStatus", "-t", "t").code == 0)
        }
    }

    @Test func `a shell completes commands and options`() async throws {
        try await RunningCluster.run { cluster in
            let script = cluster.folder.appending(path: "completion.bash")
            try await cluster.plain("completion", "bash").output.write(to: script, atomically: false, encoding: .utf8)
            let test = """
                source '\(script.path)'
                COMP_WORDS=(mqadmin topicSt); COMP_CWORD=1; _mqadmin; echo "${COMPREPLY[@]}"
                COMP_WORDS=(mqadmin topicStatus --to); COMP_CWORD=2; _mqadmin; echo "${COMPREPLY[@]}"
                """
            let run = try await MQTestKit.Command.run(
                URL(filePath: "/bin/bash"), ["-c", test], environment: [:], in: cluster.folder)
            #expect(run.output == "topicStatus\n--topic\n", "\(run.errors)")
        }
    }

    @Test func `a listing is repeated until it is stopped`() async throws {
        try await RunningCluster.run { cluster in
            let output = cluster.folder.appending(path: "watch.out")
            let watch = try cluster.launch("mqadmin", ["topicList", "--watch", "1", "--json"], output: output)
            try await eventually("it has printed twice") {
                try String(contentsOf: output, encoding: .utf8).split(separator: "\n").count >= 2
            }
            kill(watch.processIdentifier, SIGKILL)
            try await eventually("it ends") { !watch.isRunning }
            for line in try String(contentsOf: output, encoding: .utf8).split(separator: "\n") {
                #expect(try JSON(parsing: String(line))["topics"].array?.isEmpty == false)
            }
        }
    }
}
