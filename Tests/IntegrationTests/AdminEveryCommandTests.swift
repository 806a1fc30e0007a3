import Foundation
import MQJSON
import MQMessage
import MQProtocol
import MQTestKit
import Testing

@testable import MQAdmin
@testable import RocketMQClient

/// One call of each of mqadmin's commands, and what is the same for all of them.
@Suite(.serialized, .enabled(if: RunningCluster.isBuilt), .timeLimit(.minutes(5))) struct RealAdminEveryCommandTests {
    /// What a command is called with. `BROKER` is the broker's address, `FOLDER` one for files, `ID` and `KEY` a message's.
    private static let calls: [(name: String, words: [String])] = [
        ("topicList", ["-c"]), ("topicRoute", ["-t", "t", "-l"]), ("topicStatus", ["-t", "t"]),
        ("topicClusterList", ["-t", "t"]), ("allocateMQ", ["-t", "t", "-i", "a,b"]),
        ("updateTopic", ["-c", "DefaultCluster", "-t", "made"]),
        ("updateTopicList", ["-c", "DefaultCluster", "-f", "FOLDER/topics.json"]),
        ("updateTopicPerm", ["-c", "DefaultCluster", "-t", "made", "-p", "6"]),
        ("updateOrderConf", ["-t", "t", "-m", "put", "-v", "broker-a:4"]),
        ("updateSubGroup", ["-c", "DefaultCluster", "-g", "made"]),
        ("updateSubGroupList", ["-c", "DefaultCluster", "-f", "FOLDER/groups.json"]),
        ("getConsumerConfig", ["-g", "g"]),
        ("setConsumeMode", ["-c", "DefaultCluster", "-t", "made", "-g", "made", "-m", "PULL"]),
        ("consumerProgress", []), ("brokerConsumeStats", ["-b", "BROKER"]), ("consumerStatus", ["-g", "g"]),
        ("consumer", ["-g", "g"]), ("producer", ["-b", "BROKER"]),
        ("resetOffsetByTime", ["-g", "g", "-t", "t", "-s", "0"]), ("skipAccumulatedMessage", ["-g", "g", "-t", "t"]),
        ("cloneGroupOffset", ["-s", "g", "-d", "made", "-t", "t", "-o", "true"]),
        ("consumerConnection", ["-g", "g"]), ("producerConnection", ["-g", "p", "-t", "t"]),
        ("brokerStatus", ["-c", "DefaultCluster"]),
        ("updateBrokerConfig", ["-c", "DefaultCluster", "-k", "brokerPermission", "-v", "6"]),
        ("getBrokerConfig", ["-c", "DefaultCluster"]), ("cleanExpiredCQ", ["-c", "DefaultCluster"]),
        ("cleanUnusedTopic", ["-c", "DefaultCluster"]), ("deleteExpiredCommitLog", ["-c", "DefaultCluster"]),
        ("clusterList", []), ("checkMsgSendRT", ["-t", "t", "-a", "3"]), ("clusterRT", ["-a", "2", "-i", "0"]),
        ("sendMsgStatus", ["-b", "broker-a", "-c", "2"]), ("sendMessage", ["-t", "t", "-p", "hello"]),
        ("queryMsgById", ["-t", "t", "-i", "ID"]), ("queryMsgByKey", ["-t", "t", "-k", "k"]),
        ("queryMsgByUniqueKey", ["-t", "t", "-i", "KEY"]),
        ("queryMsgByOffset", ["-t", "t", "-b", "broker-a", "-i", "0", "-o", "0"]), ("printMsg", ["-t", "t"]),
        ("printMsgByQueue", ["-t", "t", "-a", "broker-a", "-i", "0", "-p", "true", "-f", "true"]),
        ("consumeMessage", ["-t", "t"]), ("queryMsgTraceById", ["-i", "KEY"]), ("statsAll", []),
        ("queryCq", ["-t", "t", "-q", "0", "-i", "0"]),
        ("updateNamesrvConfig", ["-k", "orderMessageEnable", "-v", "true"]),
        ("updateKvConfig", ["-s", "space", "-k", "k", "-v", "v"]), ("deleteKvConfig", ["-s", "space", "-k", "k"]),
        ("getNamesrvConfig", []), ("wipeWritePerm", ["-b", "broker-a"]), ("addWritePerm", ["-b", "broker-a"]),
        ("exportConfigs", ["-c", "DefaultCluster", "-f", "FOLDER"]),
        ("exportMetadata", ["-c", "DefaultCluster", "-f", "FOLDER"]),
        ("exportMetrics", ["-c", "DefaultCluster", "-f", "FOLDER"]), ("startMonitoring", []),
        ("haStatus", ["-c", "DefaultCluster"]), ("resetMasterFlushOffset", ["-b", "BROKER", "-o", "0"]),
        ("getColdDataFlowCtrInfo", ["-c", "DefaultCluster"]),
        ("updateColdDataFlowCtrGroupConfig", ["-c", "DefaultCluster", "-g", "g", "-v", "1000"]),
        ("removeColdDataFlowCtrGroupConfig", ["-c", "DefaultCluster", "-g", "g"]),
        ("setCommitLogReadAheadMode", ["-c", "DefaultCluster", "-m", "0"]),
        ("exportPopRecord", ["-c", "DefaultCluster"]), ("checkRocksdbCqWriteProgress", ["-c", "DefaultCluster"]),
        ("rocksDBConfigToJson", ["-c", "DefaultCluster", "-t", "topics"]),
        ("dumpCompactionLog", ["-f", "FOLDER/no-such-log"]),
        ("deleteSubGroup", ["-c", "DefaultCluster", "-g", "made"]),
        ("deleteTopic", ["-c", "DefaultCluster", "-t", "made"]),
    ]

    /// Commands that show what they have when a broker fails: rows with gaps, messages that were read.
    private static let showParts: Set<String> = ["clusterList", "printMsg", "printMsgByQueue", "consumeMessage"]
    /// Those that count failures: a row for each send.
    private static let measure: Set<String> = ["checkMsgSendRT", "clusterRT"]
    /// Those that need no server.
    private static let local: Set<String> = ["dumpCompactionLog"]

    /// Those that ask members of a group, of which none is there.
    private static let needMembers: Set<String> = [
        "consumerStatus", "consumer", "consumerConnection", "producerConnection",
    ]

    private static func isListing(_ name: String) -> Bool {
        CommandTable.standard.command(name)?.isListing == true
    }

    /// A message of a topic `t`, and a group `g` that has consumed some of it.
    private func fill(_ cluster: RunningCluster) async throws -> SendResult {
        try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", "t", "-r", "2", "-w", "2")
        try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", "made")
        var traced = Producer.Options()
        traced.trace = TraceOptions()
        let producer = try Producer(group: "p", options: traced, client: cluster.client)
        try await producer.start()
        var last: SendResult?
        for index in 0..<12 {
            last = try await producer.send(
                Message(topic: "t", tags: "A", keys: ["k"], body: Array("hello \(index)".utf8)))
        }
        await producer.shutdown()
        var options = ConsumerOptions()
        options.consumeFromWhere = .firstOffset
        let consumer = try PushConsumer(group: "g", options: options, client: cluster.client)
        try await consumer.subscribe("t")
        let seen = Lines()
        try await consumer.start { _, _ in
            seen.add("x")
            return .success
        }
        try await eventually("the group has consumed") { seen.all.count >= 12 }
        await consumer.shutdown()
        try Data(#"[{"topicName":"listed","readQueueNums":1,"writeQueueNums":1,"perm":6}]"#.utf8)
            .write(to: cluster.folder.appending(path: "topics.json"))
        try Data(#"[{"groupName":"listed"}]"#.utf8).write(to: cluster.folder.appending(path: "groups.json"))
        let sent = try #require(last)
        try await eventually("the last message's trace is there") {
            try await cluster.admin("queryMsgTraceById", "-i", sent.messageID).code == 0
        }
        return sent
    }

    private func words(
        _ call: (name: String, words: [String]), _ cluster: RunningCluster, broker: String, _ sent: SendResult?
    ) -> [String] {
        [call.name]
            + call.words.map { word in
                word.replacingOccurrences(of: "BROKER", with: broker)
                    .replacingOccurrences(of: "FOLDER", with: cluster.folder.path)
                    .replacingOccurrences(of: "KEY", with: sent?.messageID ?? "KEY")
                    .replacingOccurrences(of: "ID", with: sent?.offsetMessageID ?? "ID")
            }
    }

    @Test func `every command is called here, and RocketMQ's list is whole`() {
        #expect(Set(Self.calls.map(\.name)) == Set(CommandTable.standard.commands.map(\.name)))
        // The 90 of RocketMQ 5.3.3's table; NotServed says of what they are.
        #expect(CommandTable.standard.commands.count + NotServed.all.count == 90)
        let list = CommandTable.standard.list
        for name in CommandTable.standard.commands.map(\.name) + NotServed.all.map(\.name) {
            #expect(list.contains("\n   \(name) "), "\(name)")
        }
    }

    @Test func `every command works, explains itself and tells the same as JSON`() async throws {
        try await RunningCluster.run { cluster in
            let sent = try await fill(cluster)
            for call in Self.calls {
                let words = words(call, cluster, broker: cluster.brokerAddress, sent)
                let help = try await cluster.plain(call.name, "-h")
                #expect(help.code == 0 && help.output.hasPrefix("usage: mqadmin \(call.name) "), "\(call.name)")
                // Nobody of the group is there; no such file.
                guard
                    !Self.needMembers.contains(call.name), !Self.local.contains(call.name)
                else { continue }
                if call.name != "startMonitoring" {  // goes on for ever
                    let text = try await cluster.admin(words)
                    #expect(text.code == 0 && text.errors.isEmpty, "\(words): \(text)")
                }
                guard Self.isListing(call.name) else { continue }
                let json = try await cluster.admin(words + ["--json"])
                #expect(json.code == 0 && json.errors.isEmpty, "\(words): \(json)")
                let document = try? JSON(parsing: json.output)
                #expect(document?.object != nil, "\(words): \(json.output)")
                #expect(json.output.hasSuffix("\n") && json.output.dropLast().contains("\n") == false, "\(words)")
            }
        }
    }

    @Test func `every listing is repeated with --watch`() async throws {
        try await RunningCluster.run { cluster in
            let sent = try await fill(cluster)
            let lines = Self.calls.filter { Self.isListing($0.name) }.map { (call: $0, output: Lines()) }
            let tasks = lines.map { call, output in
                let words = words(call, cluster, broker: cluster.brokerAddress, sent)
                let nameServers = cluster.nameServers
                return Task {
                    await CommandTable.standard.run(
                        words + ["--watch", "1", "--json", "-n", nameServers], output: Output { output.add($0) },
                        complain: { output.add("ERROR \($0)\n") })
                }
            }
            try await eventually("each has come twice, or said why it cannot") {
                lines.allSatisfy { $0.output.all.count >= 2 || $0.output.text.hasPrefix("ERROR") }
            }
            for task in tasks { task.cancel() }
            for task in tasks { _ = await task.value }
            let failed = lines.filter { $0.output.text.contains("ERROR") }.map(\.call.name)
            #expect(
                Set(failed) == Self.local.union(Self.needMembers))
        }
    }

    @Test func `without a name server every command says so, and nothing else`() async throws {
        try await RunningCluster.run { cluster in
            let port = try Machine.freePort()
            for call in Self.calls {
                let words = words(call, cluster, broker: "127.0.0.1:\(port)", nil)
                let result = try await cluster.plain(words + ["-n", "127.0.0.1:\(port)"])
                #expect(result.code == 1 && result.output.isEmpty, "\(words): \(result)")
                #expect(result.errors.hasPrefix("mqadmin \(call.name): "), "\(words): \(result.errors)")
                #expect(!result.errors.contains("\n"), "\(words): \(result.errors)")
                guard !Self.local.contains(call.name), call.name != "queryMsgById" else { continue }
                let isNamed = ["name server down: ", "broker gone: "].contains { result.errors.contains(": \($0)") }
                #expect(isNamed || result.errors.contains("FOLDER") || call.name.hasSuffix("List"), "\(result.errors)")
            }
        }
    }

    @Test func `a cluster that is not there is named, and those that are`() async throws {
        try await RunningCluster.run { cluster in
            try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", "made")
            let named = Self.calls.filter { $0.words.contains("DefaultCluster") }
            let optional = [
                ("clusterList", ["-c", "DefaultCluster"]), ("clusterRT", ["-i", "0", "-c", "DefaultCluster"]),
            ]
            for call in named + optional {
                try Data("[]".utf8).write(to: cluster.folder.appending(path: "topics.json"))
                try Data("[]".utf8).write(to: cluster.folder.appending(path: "groups.json"))
                let words = words(call, cluster, broker: cluster.brokerAddress, nil).map {
                    $0 == "DefaultCluster" ? "Nowhere" : $0
                }
                let result = try await cluster.admin(words)
                #expect(result.code == 1 && result.output.isEmpty, "\(words): \(result)")
                #expect(
                    result.errors
                        == "mqadmin \(call.name): the cluster Nowhere does not exist; known are: DefaultCluster",
                    "\(words)")
            }
        }
    }

    /// The broker says that it lives behind the relay, which dies after so many answers.
    @Test func `a broker that dies half-way through is told in one sentence by every command`() async throws {
        try await RunningCluster.run(["brokerIP1": "127.0.0.2", "bindAddress": "127.0.0.1"]) { cluster in
            let port = try #require(cluster.brokerAddress.split(separator: ":").last.flatMap { Int($0) })
            let relay = try Relay(to: port, on: "127.0.0.2", port: port)
            defer { relay.stop() }
            let sent = try await fill(cluster)
            var failed: Set<String> = []
            for call in Self.calls where !Self.local.contains(call.name) && call.name != "startMonitoring" {
                let words = words(call, cluster, broker: relay.address, sent)
                for answers in 0..<40 {
                    relay.cut(afterAnswers: answers)
                    let result = try await cluster.admin(words)
                    if result.code == 0 { break }
                    failed.insert(call.name)
                    #expect(result.code == 1, "\(words)")
                    #expect(result.errors.hasPrefix("mqadmin \(call.name): "), "\(words): \(result)")
                    #expect(!result.errors.contains("\n"), "\(words): \(result.errors)")
                    if Self.isListing(call.name), !Self.showParts.contains(call.name) {
                        #expect(result.output.isEmpty, "\(words) after \(answers): \(result.output)")
                    } else if answers == 0, call.name != "clusterList", !Self.measure.contains(call.name) {
                        #expect(result.output.isEmpty, "\(words): \(result.output)")
                    }
                }
            }
            #expect(
                failed.isSuperset(of: [
                    "topicStatus", "statsAll", "consumerProgress", "queryMsgByKey", "printMsg", "brokerStatus",
                    "getBrokerConfig", "updateTopic", "updateSubGroup", "sendMessage", "resetOffsetByTime", "haStatus",
                ]), "\(failed)")
            relay.set(.open)
            #expect(try await cluster.admin("topicStatus", "-t", "t").code == 0)
        }
    }

    @Test func `bash and zsh complete every command and its options`() async throws {
        let folder = try TemporaryFolder("apus-completion")
        for shell in ["bash", "zsh"] {
            let output = Lines()
            let code = await CommandTable.standard.run(
                ["completion", shell], output: Output { output.add($0) }, complain: { output.add($0) })
            #expect(code == 0)
            try Data(output.text.utf8).write(to: folder.url.appending(path: shell))
        }
        let commands = CommandTable.standard.commands
        let bash =
            ["source '\(folder.url.path)/bash'"]
            + commands.map { "COMP_WORDS=(mqadmin \($0.name) --); COMP_CWORD=2; _mqadmin; echo \"${COMPREPLY[@]}\"" }
        let run = try await Command.run(
            URL(filePath: "/bin/bash"), ["-c", bash.joined(separator: "\n")], environment: [:], in: folder.url)
        let lines = run.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        #expect(lines.count == commands.count && run.errors.isEmpty, "\(run.errors)")
        for (command, words) in zip(commands, lines) {
            // Some of RocketMQ's long names have a blank in them: their first word.
            let options = command.allOptions.map { "--\($0.long.prefix { $0 != " " })" }
            #expect(Set(words) == Set(options), "\(command.name)")
        }
        let zsh = ["/usr/bin/zsh", "/bin/zsh"].first { FileManager.default.isExecutableFile(atPath: $0) }
        guard let zsh else { return }
        // What zsh would offer is drawn on a terminal; here its functions say what they were given.
        let script = """
            compdef() { : }
            _describe() { print -r -- "${(P)2}" }
            _arguments() { print -r -- "${(j: :)@%%\\[*}" }
            source '\(folder.url.path)/zsh'
            words=(mqadmin ''); CURRENT=2; _mqadmin
            for name in \(commands.map(\.name).joined(separator: " ")); do words=(mqadmin $name --); CURRENT=3; _mqadmin; done
            """
        let drawn = try await Command.run(
            URL(filePath: zsh), ["-f", "-c", script], environment: [:], in: folder.url)
        let told = drawn.output.split(separator: "\n")
        #expect(told.count == commands.count + 1 && drawn.errors.isEmpty, "\(drawn.errors)")
        for command in commands { #expect(told.first?.contains("\(command.name):") == true) }
        for (command, line) in zip(commands, told.dropFirst()) {
            for option in command.allOptions { #expect(line.contains("--\(option.long)"), "\(command.name): \(line)") }
        }
    }
}
