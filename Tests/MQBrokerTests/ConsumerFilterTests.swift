import Foundation
import MQBytes
import MQFilter
import MQJSON
import MQObserve
import MQProtocol
import MQRemoting
import MQTestKit
import Testing

@testable import MQBroker

/// Goal: the table of expressions follows heartbeats as Java's does, and its file is Java's.
@Suite struct ConsumerFilterTests {
    private let time = ManualTime(5_000_000)

    private func table(_ keys: [String: String] = [:], stored: JSON? = nil) throws -> ConsumerFilterTable {
        let time = time
        return try ConsumerFilterTable(
            try ControlMachines.config(keys), expressions: ExpressionCache(byteCountMax: 1 << 20), stored: stored,
            clock: WallClock { time.now })
    }

    private func wanted(_ expression: String, _ version: Int64, topic: String = "t") -> SubscriptionData {
        SubscriptionData(topic: topic, subString: expression, subVersion: version, expressionType: "SQL92")
    }

    @Test func `Java's file is read, and written again with the same members`() throws {
        let stored = try JSON(
            parsing: Array(
                """
                {"filterDataByTopic":{"gold_filter":{"groupFilterData":{"gold_group_sql":{"bloomFilterData":{"bitNum":112,
                "bitPos":[89,15,53]},"bornTime":4000000,"clientVersion":1,"consumerGroup":"gold_group_sql","dead":true,
                "deadTime":4500000,"expression":"a > 50 AND region = 'eu'","expressionType":"SQL92","topic":"gold_filter"}},
                "topic":"gold_filter"}}}
                """.utf8), limits: JSONLimits())
        let table = try table(stored: stored)
        let filter = try #require(table.filter(group: "gold_group_sql", topic: "gold_filter"))
        #expect(filter.isDead && filter.data.bitPositions == [89, 15, 53])
        #expect(ConsumerFilterWrapper(table.filters(of: "gold_filter").map(\.data)).json == stored)
    }

    @Test func `who was there when the file was written is dead at the start, and lives again with its heartbeat`()
        throws
    {
        let first = try table()
        first.register(group: "g", [wanted("a = 1", 7)])
        let data = try #require(first.filter(group: "g", topic: "t")).data
        #expect(data.bornTime == 5_000_000 && data.deadTime == 0)
        let second = try table(stored: ConsumerFilterWrapper([data]).json)
        #expect(second.filter(group: "g", topic: "t")?.data.deadTime == 5_000_000, "never before it was born")
        time.now += 1000
        second.register(group: "g", [wanted("a = 1", 7)])
        let alive = try #require(second.filter(group: "g", topic: "t"))
        #expect(!alive.isDead && alive.data.bornTime == 5_000_000, "its bits still count")
    }

    @Test func `newer versions win, others are ignored`() throws {
        let table = try table()
        table.register(group: "g", [wanted("a = 1", 7)])
        time.now += 10
        table.register(group: "g", [wanted("a = 2", 6)])
        table.register(group: "g", [wanted("a = 2", 7)])
        #expect(table.filter(group: "g", topic: "t")?.data.expression == "a = 1")
        table.register(group: "g", [wanted("a = 1", 8)])
        #expect(table.filter(group: "g", topic: "t")?.data.clientVersion == 8)
        #expect(table.filter(group: "g", topic: "t")?.data.bornTime == 5_000_000)
        table.register(group: "g", [wanted("a = 2", 9)])
        #expect(table.filter(group: "g", topic: "t")?.data.bornTime == 5_000_010, "another expression is born anew")
        table.register(group: "g", [wanted("a = ", 10)])
        #expect(table.filter(group: "g", topic: "t") == nil, "what cannot be read is none")
    }

    @Test func `a filter dies with its topic or its group, and goes a day later`() throws {
        let table = try table()
        table.register(group: "g", [wanted("a = 1", 7), wanted("b = 1", 7, topic: "u")])
        table.register(group: "g", [wanted("a = 1", 7)])
        #expect(table.filter(group: "g", topic: "u")?.isDead == true)
        #expect(table.filter(group: "g", topic: "t")?.isDead == false)
        time.now += 3_600_000
        table.unregister(group: "g")
        #expect(table.filter(group: "g", topic: "t")?.isDead == true)
        let folder = try TemporaryFolder()
        let files = ConfigFiles(folder: folder.url.path, log: .silent)
        table.persist(to: files)
        time.now += 82_800_000  // a day after the first one died
        files.stop()
        #expect(table.filter(group: "g", topic: "u") == nil)
        #expect(table.filter(group: "g", topic: "t") != nil)
        let written = try #require(try files.load(ConsumerFilterTable.fileName))
        #expect(try ConsumerFilterWrapper(json: written).filters.map(\.topic) == ["t"])
    }

    @Test func `a file with other bloom parameters is ignored whole`() throws {
        let first = try table(["expectConsumerNumUseFilter": "64"])
        first.register(group: "g", [wanted("a = 1", 7)])
        let data = first.filters(of: "t").map(\.data)
        #expect(try table(stored: ConsumerFilterWrapper(data).json).filters(of: "t").isEmpty)
        for text in [
            "[]", "{\"filterDataByTopic\":[]}", "{\"filterDataByTopic\":{\"t\":{\"groupFilterData\":{\"g\":{}}}}}",
        ] {
            #expect(throws: BodyError.self) { try table(stored: JSON(parsing: Array(text.utf8), limits: JSONLimits())) }
        }
    }

    @Test func `room is bounded: the longest dead go first, and the living stay`() throws {
        let config = try ControlMachines.config([:])
        config.adjust { $0.limits.filterByteCountMax = 20_000 }
        let time = time
        let table = try ConsumerFilterTable(
            config, expressions: ExpressionCache(byteCountMax: 1 << 20), clock: WallClock { time.now })
        table.register(group: "kept", [wanted("a = 1", 1)])
        for number in 0..<500 {
            time.now += 1
            table.register(group: "g\(number)", [wanted("a = \(number)", 1)])
            table.unregister(group: "g\(number)")
        }
        #expect(table.filter(group: "kept", topic: "t")?.isDead == false)
        #expect(table.filter(group: "g499", topic: "t") != nil && table.filter(group: "g0", topic: "t") == nil)
        #expect(table.filters(of: "t").count < 40)
    }

    @Test func `bit maps tell which groups want a message`() throws {
        #expect(try table().bitMapMaker == nil)
        let table = try table(["enableCalcFilterBitMap": "true"])
        func bits(_ properties: String) -> [UInt8]? { table.bitMapMaker?("t", Array(properties.utf8).span) }
        func isHit(_ group: String, _ bits: [UInt8]) -> Bool {
            BloomFilter.isHit(table.bloom.positions(of: group, topic: "t"), in: bits.span)
        }
        #expect(bits("") == nil)
        table.register(group: "one", [wanted("a = '1'", 1)])
        table.register(group: "two", [wanted("a = '2'", 1)])
        let found = try #require(bits("a\u{1}1\u{2}"))
        #expect(isHit("one", found) && !isHit("two", found))
        #expect(bits("") == [UInt8](repeating: 0, count: 14))
    }
}
