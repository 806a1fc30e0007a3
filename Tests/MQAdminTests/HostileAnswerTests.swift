import MQJSON
import MQProtocol
import MQRemoting
import RocketMQClient
import Testing

@testable import MQAdmin

/// Goal: whatever a name server or broker answers, mqadmin prints something or one sentence, and never ends in the
/// middle. Method: every command that reads, against a server whose answers are well formed and lie: the largest and the
/// smallest numbers, names that are no names, empty bodies, other bodies than asked for.
@Suite(.timeLimit(.minutes(2))) struct HostileAnswerTests {
    private static let most = Int64.max
    private static let least = Int64.min

    /// Commands that ask for something, with options that lead through all their requests.
    private static let commands: [[String]] = [
        ["clusterList"], ["clusterList", "-m"], ["topicList"], ["topicList", "-c"], ["topicRoute", "-t", "t"],
        ["topicRoute", "-t", "t", "-l"], ["topicStatus", "-t", "t"], ["topicClusterList", "-t", "t"],
        ["allocateMQ", "-t", "t", "-i", "a,b"], ["consumerProgress"], ["consumerProgress", "-g", "g", "-s", "true"],
        ["consumerConnection", "-g", "g"], ["producerConnection", "-g", "p", "-t", "t"],
        ["consumerStatus", "-g", "g", "-i", "c"], ["producer", "-b", "HERE"], ["brokerStatus", "-b", "HERE"],
        ["brokerConsumeStats", "-b", "HERE"], ["getBrokerConfig", "-b", "HERE"], ["getConsumerConfig", "-g", "g"],
        ["getNamesrvConfig"], ["haStatus", "-b", "HERE"], ["statsAll"], ["statsAll", "-t", "t"],
        ["queryCq", "-t", "t", "-q", "0", "-i", "9223372036854775807", "-b", "HERE"],
        ["queryMsgByKey", "-t", "t", "-k", "k"], ["queryMsgByOffset", "-t", "t", "-b", "b", "-i", "0", "-o", "0"],
        ["printMsg", "-t", "t"], ["printMsgByQueue", "-t", "t", "-a", "b", "-i", "0", "-f", "true"],
        ["consumeMessage", "-t", "t"], ["queryMsgTraceById", "-i", "x", "-t", "t"],
        ["resetOffsetByTime", "-g", "g", "-t", "t", "-s", "now"], ["skipAccumulatedMessage", "-g", "g", "-t", "t"],
        ["startMonitoring", "--json"], ["updateOrderConf", "-t", "t", "-m", "get"],
    ]

    /// A table of queue → progress or offsets with the ends of the range in it.
    private static func offsets(_ members: [(String, Int64)], other: [(String, Int64)]) -> JSON {
        func object(_ members: [(String, Int64)]) -> JSON { .members(members.map { ($0.0, .integer($0.1)) }) }
        func key(_ topic: String, _ id: Int64) -> JSONKey {
            .object(JSONObject([("brokerName", .string("b")), ("queueId", .integer(id)), ("topic", .string(topic))]))
        }
        return .object(
            JSONObject([(key("t", 0), object(members)), (key("t", 1), object(other)), (key("u", -1), object(other))]))
    }

    /// Answers that are well formed and cannot be.
    private static func lie(_ request: RemotingCommand, _ here: String) -> RemotingCommand? {
        func body(_ json: JSON) -> RemotingCommand { RemotingCommand(.success, body: json.encoded()) }
        switch request.requestCode {
        case .getRouteInfoByTopic:
            return body([
                "brokerDatas": [["brokerAddrs": ["0": .string(here)], "brokerName": "b", "cluster": "c"]],
                "queueDatas": [
                    [
                        "brokerName": "b", "perm": 6, "readQueueNums": 2, "writeQueueNums": .integer(most),
                        "topicSysFlag": 0,
                    ],
                    [
                        "brokerName": "b", "perm": 6, "readQueueNums": 2, "writeQueueNums": .integer(most),
                        "topicSysFlag": 0,
                    ],
                ], "filterServerTable": [:],
            ])
        case .getBrokerClusterInfo:
            return body([
                "brokerAddrTable": [
                    "b": ["brokerAddrs": ["0": .string(here)], "brokerName": "b", "cluster": "c"]
                ], "clusterAddrTable": ["c": ["b", "absent", "../.."]],
            ])
        case .getAllTopicListFromNameServer, .getTopicsByCluster:
            return body(["topicList": ["t", "", "%RETRY%g", "%RETRY%", "../../etc/passwd", "\u{1B}[2J"]])
        case .queryTopicConsumeByWho: return body(["groupList": ["g", "", "\u{0}"]])
        case .getConsumeStats:
            let table = offsets(
                [("brokerOffset", least), ("consumerOffset", most), ("lastTimestamp", most), ("pullOffset", least)],
                other: [("brokerOffset", most), ("consumerOffset", least), ("lastTimestamp", least)])
            return body(["consumeTps": 1e300, "offsetTable": table])
        case .getTopicStatsInfo:
            let table = offsets(
                [("lastUpdateTimestamp", most), ("maxOffset", least), ("minOffset", most)],
                other: [("lastUpdateTimestamp", least), ("maxOffset", most), ("minOffset", least)])
            return body(["offsetTable": table, "topicPutTps": 1e300])
        case .getBrokerRuntimeInfo:
            let keys = [
                "putTps", "getTransferredTps", "timerReadBehind", "timerOffsetBehind", "timerCongestNum",
                "commitLogDiskRatio", "earliestMessageTimeStamp", "msgPutTotalTodayNow", "msgGetTotalYesterdayMorning",
            ]
            let values = ["1e300", "nan", "-inf", "9223372036854775807", "-9223372036854775808", "", " ", "x y"]
            let pairs = keys.enumerated().map { ($1, JSON.string(values[$0 % values.count])) }
            return body([
                "table": .members(
                    pairs + [
                        ("msgPutTotalTodayMorning", .string("\(least)")), ("msgPutTotalTodayNow", .string("\(most)")),
                        ("msgPutTotalYesterdayMorning", .string("\(most)")),
                    ])
            ])
        case .viewBrokerStatsData:
            let item: JSON = ["sum": .integer(most), "tps": 1e300, "avgpt": .null]
            return body(["statsDay": item, "statsHour": item, "statsMinute": item])
        case .getBrokerConsumeStats:
            let stats = offsets(
                [("brokerOffset", least), ("consumerOffset", most), ("lastTimestamp", most)],
                other: [("brokerOffset", most), ("consumerOffset", least), ("lastTimestamp", most)])
            return body([
                "brokerAddr": "x", "consumeStatsList": [["g": [["consumeTps": 1, "offsetTable": stats]]]],
                "totalDiff": .integer(least), "totalInflightDiff": .integer(most),
            ])
        case .getConsumerConnectionList:
            return body([
                "connectionSet": [
                    ["clientId": "c", "clientAddr": "", "language": "NONE", "version": .integer(most)],
                    ["clientId": "../../c", "clientAddr": "", "language": "JAVA", "version": .integer(least)],
                ], "consumeFromWhere": "CONSUME_FROM_LAST_OFFSET", "consumeType": "CONSUME_PASSIVELY",
                "messageModel": "CLUSTERING", "subscriptionTable": [:],
            ])
        case .getConsumerRunningInfo:
            let queue = offsets(
                [("cachedMsgCount", most), ("lastConsumeTimestamp", least), ("lastLockTimestamp", least)],
                other: [("commitOffset", least)])
            return body([
                "mqTable": queue, "mqPopTable": queue, "jstack": 5, "statusTable": ["t": ["pullRT": 1e300]],
                "properties": ["PROP_CONSUME_TYPE": "CONSUME_PASSIVELY", "PROP_CONSUMEORDERLY": "true"],
                "subscriptionSet": [7, [:]],
            ])
        case .queryConsumeQueue:
            return body([
                "maxQueueIndex": .integer(least), "minQueueIndex": .integer(most),
                "queueData": [["physicOffset": .integer(most)], ["physicOffset": .integer(least)]],
            ])
        case .getMaxOffset: return RemotingCommand(.success, ["offset": "\(most)"])
        case .getMinOffset: return RemotingCommand(.success, ["offset": "\(least)"])
        case .searchOffsetByTimestamp: return RemotingCommand(.success, ["offset": "\(least)"])
        case .pullMessage:
            return RemotingCommand(
                .pullNotFound,
                [
                    "nextBeginOffset": "\(most)", "minOffset": "\(most)", "maxOffset": "\(least)",
                    "suggestWhichBrokerId": "\(most)",
                ])
        case .invokeBrokerToResetOffset:
            return body([
                "offsetTable": .object(
                    JSONObject([
                        (
                            .object(
                                JSONObject([
                                    ("brokerName", .string("b")), ("queueId", .integer(most)), ("topic", .string("t")),
                                ])), .integer(least)
                        )
                    ]))
            ])
        case .getBrokerHAStatus:
            return body([
                "master": true, "masterCommitLogMaxOffset": .integer(least), "inSyncSlaveNums": .integer(most),
                "haConnectionInfo": [["addr": "", "slaveAckOffset": .integer(most), "diff": .integer(least)]],
            ])
        case .getAllProducerInfo:
            return body(["data": ["p": [["clientId": "c", "version": .integer(most)]]]])
        case .getBrokerConfig, .getNameServerConfig:
            return RemotingCommand(.success, body: Array("=\n==\n#\nkey\n\u{1B}]0;x\u{7}=1\n".utf8) + [0xFF, 0])
        case .getAllSubscriptionGroupConfig:
            return body([
                "subscriptionGroupTable": [
                    "g": ["groupName": "g", "retryMaxTimes": .integer(most), "groupRetryPolicy": "none"]
                ]
            ])
        default: return .notSupported(request.code)
        }
    }

    @Test(arguments: commands) func `numbers that cannot be are printed, not trapped on`(words: [String]) async throws {
        let server = try ScriptedServer(Self.lie)
        for more in [[], ["--json"]] where !words.contains("--json") || more.isEmpty {
            let result = await server.admin(words.map { $0 == "HERE" ? server.address : $0 } + more)
            #expect(result.code == 0 || !result.errors.isEmpty)
            #expect(result.code != 0 || result.errors.isEmpty)
            #expect(!result.errors.contains("\n"), "\(result.errors)")
            if result.code == 0, more == ["--json"] {
                #expect(throws: Never.self) { try JSON(parsing: result.output) }
            }
        }
    }

    @Test(
        arguments: commands,
        [[], Array("null".utf8), Array("[]".utf8), Array("{".utf8), Array("{\"topicList\":7}".utf8), [0xFF, 0xFE]])
    func `bodies that are not what was asked for make one sentence`(words: [String], body: [UInt8]) async throws {
        let server = try ScriptedServer { _, _ in RemotingCommand(.success, body: body) }
        let result = await server.admin(words.map { $0 == "HERE" ? server.address : $0 })
        #expect(result.code == 0 || !result.errors.isEmpty)
        #expect(!result.errors.contains("\n"), "\(result.errors)")
    }

    @Test func `a document of very many rows takes no longer for each of them`() {
        let output = Output(json: true) { _ in }
        let table = output.table("rows", header: nil, row: "%s%n", ["#A": "a"])
        for index in 0..<100_000 { table.row(index) }
        output.finish()
    }
}
