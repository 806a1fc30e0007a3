import MQJSON
import MQProtocol
import MQRemoting
import MQSystem
import RocketMQClient
import Testing

@testable import MQAdmin

@Suite struct OutputTests {
    /// What `body` prints.
    private func printed(json: Bool, _ body: (Output) -> Void) -> String {
        let text = Lock("")
        let output = Output(json: json) { piece in text.withLock { $0 += piece } }
        body(output)
        output.finish()
        return text.withLock { $0 }
    }

    private func table(_ output: Output) {
        let table = output.table(
            "queues", header: "%-8s|%s%n", row: "%-8s|%d%n", ["#Broker Name": "brokerName", "#QID": "queueId"])
        table.row("broker-a", 3)
        table.row(shown("broker-longer", 8), 4)
        output.decorate("%n")
        output.value("tps", .number(0.5), "TPS: %.2f%n", 0.5)
        output.print("done %s%n", "well")
    }

    @Test func `the same content is columns or a document`() {
        #expect(
            printed(json: false, table) == "#Broker Name|#QID\nbroker-a|3\nbroker-l|4\n\nTPS: 0.50\ndone well\n")
        #expect(
            printed(json: true, table)
                == #"{"queues":[{"brokerName":"broker-a","queueId":3},{"brokerName":"broker-longer","queueId":4}],"#
                + #""tps":0.5,"messages":["done well"]}"# + "\n")
    }

    @Test func `a table without rows is an empty list`() {
        let text = printed(json: true) { _ = $0.table("queues", header: "%s%n", row: "%s%n", ["#A": "a"]) }
        #expect(text == "{\"queues\":[]}\n")
    }

    @Test(
        arguments: [
            (
                .nameServersUnreachable(addresses: "a:1", last: .timedOut(milliseconds: 5)),
                "name server down: no name server answers at a:1"
            ),
            (.noAnswer(from: "ns:9876", .timedOut(milliseconds: 5)), "name server down: ns:9876 does not answer"),
            (.noAnswer(from: "b:10911", .timedOut(milliseconds: 5)), "broker gone: b:10911 does not answer"),
            (.topicNotFound("t"), "topic unknown: no route info of this topic: t; see mqadmin topicList"),
            (.topicNotFound("%RETRY%g"), "group unknown: g has never consumed here"),
            (.brokerNotFound("x"), "broker gone: no name server knows a master called x"),
            (.refused(by: "b:1", code: 16, remark: "no\nSee https"), "no permission: CODE: 16  DESC: no  BROKER: b:1;"),
            (
                .refused(by: "b:1", code: 16, remark: "check signature failed."),
                "no permission: CODE: 16  DESC: check signature failed.  BROKER: b:1; $ROCKETMQ_HOME/conf/tools.yml holds"
            ),
            (.refused(by: "b:1", code: 17, remark: "no"), "topic unknown: CODE: 17"),
            (.refused(by: "b:1", code: 206, remark: "no"), "group not online: CODE: 206"),
            (.refused(by: "b:1", code: 1, remark: "no"), "CODE: 1  DESC: no  BROKER: b:1"),
            (.noNameServer, "no name server is known: give one with -n"),
        ] as [(ClientError, String)])
    func `an error says which trouble it is`(error: ClientError, beginning: String) {
        let text = explanation(of: error, nameServers: ["ns:9876"])
        #expect(text.hasPrefix(beginning), "\(text)")
        #expect(!text.contains("\n"))
    }

    @Test func `moments are read as they are typed`() throws {
        #expect(try moment("now", now: 7) == 7)
        #expect(try moment("1795241524905") == 1_795_241_524_905)
        for time: Int64 in [0, 951_782_400_000, 1_795_241_524_905, 1_774_746_000_123] {
            let text = timeText(time)  // yyyy-MM-dd HH:mm:ss,SSS
            let typed = text.map { $0 == " " ? "#" : $0 == "," ? ":" : String($0) }.joined()
            #expect(try moment(typed) == time, "\(typed)")
        }
    }

    @Test(arguments: ["", "yesterday", "2026-13-01#00:00:00:000", "2026-01-01 00:00:00:000", "2026-01-01#24:00:00:000"])
    func `what is no moment is refused`(text: String) {
        #expect(throws: ClientError.self) { try moment(text) }
    }

    @Test func `the scripts for shells know every command and option`() {
        let completion = Completion(commands: CommandTable.standard.commands)
        for command in CommandTable.standard.commands {
            #expect(completion.bash.contains("        \(command.name)) words=\""))
            #expect(completion.zsh.contains("        \(command.name)) _arguments "))
        }
        #expect(completion.bash.contains(" topicStatus) words=\"-t --topic -c --cluster -h --help "))
        #expect(completion.zsh.contains("'--watch[Repeat every so many seconds]:watch:'"))
    }
}

@Suite struct ClientTextTests {
    @Test func `trace records are taken apart`() {
        let sent = [
            "Pub", "100", "region", "pg", "t", "ID1", "A", "k", "1.2.3.4:10911", "5", "7", "0", "OFFID", "true",
        ]
        let before = ["SubBefore", "150", "region", "cg", "req", "ID1", "0", "k"]
        let after = ["SubAfter", "req", "ID1", "9", "false", "k", "0", "200", "cg"]
        let records = [sent, before, after, ["Pub", "broken"], ["Nonsense"]]
        let body = records.map { $0.joined(separator: "\u{1}") }.joined(separator: "\u{2}")
        let steps = TraceStep.all(in: Array(body.utf8), from: "9.9.9.9")
        #expect(steps.map(\.record.kind) == [.sent, .before, .after])
        #expect(steps.allSatisfy { $0.record.messageID == "ID1" && $0.clientHost == "9.9.9.9" })
        #expect(steps.map(\.record.group) == ["pg", "cg", "cg"])
        #expect(steps.map(\.record.timestamp) == [100, 150, 200])
        #expect(steps.map(\.record.milliseconds) == [7, 0, 9])
        #expect(steps.map(\.record.isSuccess) == [true, true, false])
    }

    private func info(_ state: String, orderly: Bool = false) throws -> RunningInfo {
        let text = """
            {"mqTable":{{"brokerName":"b","queueId":0,"topic":"t"}:\(state),"broken":{}},"mqPopTable":{},
            "properties":{"PROP_CONSUME_TYPE":"CONSUME_PASSIVELY","PROP_CONSUMEORDERLY":"\(orderly)"},
            "subscriptionSet":[{"topic":"t","subString":"A"}],"statusTable":{"t":{"consumeOKTPS":1.5}}}
            """
        return RunningInfo(json: try JSON(parsing: text))
    }

    @Test func `a member that stands still is told of`() throws {
        let queue = "MessageQueue [topic=t, brokerName=b, queueId=0]"
        let blocked = try info(#"{"cachedMsgCount":3,"lastConsumeTimestamp":1000}"#)
        #expect(
            blocked.complaints(clientID: "c", now: 62_000)
                == ["c \(queue) can't consume for a while, maybe blocked, 61000ms"])
        #expect(blocked.complaints(clientID: "c", now: 30_000) == [])
        let unlocked = try info(#"{"locked":false,"lastLockTimestamp":1000}"#, orderly: true)
        #expect(unlocked.complaints(clientID: "c", now: 3000) == ["c \(queue) can't lock for a while, 2000ms"])
    }

    @Test func `what a member says is printed as Java prints it`() throws {
        let text = try info(#"{"commitOffset":7,"cachedMsgCount":2,"droped":false}"#).text
        #expect(text.hasPrefix("#Consumer Properties#\nPROP_CONSUMEORDERLY                     : false\n"))
        #expect(
            text.contains(
                "\n001 Topic: t                                        ClassFilter: false    SubExpression: A\n"))
        #expect(text.contains("ProcessQueueInfo [commitOffset=7, cachedMsgMinOffset=0, "))
        #expect(text.contains("#ConsumeFailedMsgsInHour\n"))
    }

    @Test func `what is not consumed is summed up by topic`() {
        func queue(_ topic: String, _ id: Int) -> MessageQueue {
            MessageQueue(topic: topic, brokerName: "b", queueID: id)
        }
        func wrapper(_ end: Int64, _ offset: Int64, _ last: Int64) -> ConsumeStats.OffsetWrapper {
            ConsumeStats.OffsetWrapper(
                brokerOffset: end, consumerOffset: offset, pullOffset: offset, lastTimestamp: last)
        }
        let stats = ConsumeStats(offsetTable: [
            queue("t", 0): wrapper(10, 4, 900), queue("t", 1): wrapper(5, 5, 100), queue("u", 0): wrapper(3, 4, 0),
        ])
        #expect(
            undone(of: "g", stats, now: 1000) == [
                UndoneMessages(group: "g", topic: "t", total: 6, singleQueueMax: 6, delayMilliseconds: 100),
                UndoneMessages(group: "g", topic: "u", total: 0, singleQueueMax: 0, delayMilliseconds: 0),
            ])
    }
}
