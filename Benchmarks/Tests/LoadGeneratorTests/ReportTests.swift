import BenchWire
import Testing

@testable import LoadGenerator

@Suite struct ReportTests {
    @Test func `numbers are written with commas and decimals`() {
        #expect(grouped(0) == "0" && grouped(999) == "999" && grouped(1_234_567) == "1,234,567")
        #expect(fixed(1.005, 1) == "1.0" && fixed(0.0625, 3) == "0.063" && fixed(-2.5, 0) == "-3")
        #expect(fixed(.nan, 2) == "-" && fixed(12, 0) == "12")
    }

    @Test func `a result becomes a table and JSON`() {
        var options = LoadOptions()
        options.broker = Address("127.0.0.1:10911")
        var side = SideResult()
        side.messageCount = 2000
        side.bodyByteCount = 2000 * 1024
        side.elapsed = 2_000_000_000
        for value in UInt64(1)...2000 { side.latency.record(value * 1000) }
        side.errors = [2: 7]
        var result = LoadResult()
        result.produce = side
        result.processes = [
            ProcessResult(
                pid: 5, name: "a \"b\"", cpu: 4_000_000, user: 10_000_000, system: 30_000_000, residentKiB: 2048,
                anonymousKiB: 1024, fileKiB: 1024)
        ]
        let report = Report(options, result)
        #expect(report.table.contains("1,000 messages/s, 1.0 MiB/s"))
        #expect(report.table.contains("code 2: 7"))
        #expect(report.table.contains("2.00 µs/message (user 0.50, system 1.50), 0 % of a core"))
        #expect(report.json.contains("\"messagesPerSecond\":1000.0"))
        #expect(report.json.contains("\"name\":\"a \\\"b\\\"\""))
        #expect(report.json.contains("\"errors\":{\"2\":7}"))
    }
}
