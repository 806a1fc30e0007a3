import MQBase
import Testing

@testable import MQAdmin

/// The columns of mqadmin as Java's `String.format` makes them.
@Suite struct FormatTests {
    @Test func `widths pad on the side they say`() {
        #expect(javaFormat("[%-5s|%5s|%s]", ["ab", "cd", "ef"]) == "[ab   |   cd|ef]")
        #expect(javaFormat("%-3d|%4d|%04d|%04d%n", [7, 7, 7, -7]) == "7  |   7|0007|-007\n")
        #expect(javaFormat("%2s", ["wide"]) == "wide")
        #expect(javaFormat("100%%", []) == "100%")
    }

    @Test(
        arguments: [
            (1.005, 2, "1.01"), (0.125, 2, "0.13"), (2.5, 0, "3"), (-2.5, 0, "-3"), (0, 2, "0.00"), (9.999, 2, "10.00"),
            (99.995, 2, "100.00"), (1e21, 1, "1000000000000000000000.0"), (1e-7, 4, "0.0000"), (0.00005, 4, "0.0001"),
            (123456.789, 2, "123456.79"), (0.4583333333333333, 2, "0.46"), (.infinity, 2, "Infinity"),
            (-0.001, 2, "-0.00"),
        ] as [(Double, Int, String)])
    func `decimals are rounded half up`(value: Double, places: Int, text: String) {
        #expect(fixedPoint(value, places: places) == text)
    }

    @Test func `numbers go into their columns`() {
        #expect(javaFormat("%9.2f(%s)", [3.14159, "0,0ms"]) == "     3.14(0,0ms)")
        #expect(javaFormat("%2.2f|%.4f", [0.5, 0.12345]) == "0.50|0.1235")
    }

    @Test func `a broker's row has its figures`() {
        let row = ClusterRow(
            [
                "putTps": "12.345 1.0 1.0", "getTransferredTps": "0.5 0.5 0.5", "brokerVersionDesc": "V5_3_3",
                "sendThreadPoolQueueSize": "1", "sendThreadPoolQueueHeadWaitTimeMills": "2",
                "pullThreadPoolQueueSize": "3", "pullThreadPoolQueueHeadWaitTimeMills": "4",
                "timerReadBehind": "5", "timerOffsetBehind": "6", "timerCongestNum": "20000", "timerEnqueueTps": "1.5",
                "timerDequeueTps": "2.5", "pageCacheLockTimeMills": "0", "earliestMessageTimeStamp": "0",
                "commitLogDiskRatio": "0.25", "brokerActive": "true",
            ], now: Timestamp(rawValue: 1_800_000_000_000))
        #expect(row.inTPS == "    12.35(1,2ms)")
        #expect(row.outTPS == "     0.50(3,4ms|N,Nms)")
        #expect(row.timer == "5-6(2.0w, 1.5, 2.5)")
        #expect(row.hour == "0.00")
        #expect(row.space == "0.2500")
        #expect(row.isActive == "true")
    }

    @Test func `a broker that does not answer has an empty row`() {
        let row = ClusterRow([:], now: Timestamp(rawValue: 0))
        #expect(row.version == "" && row.isActive == "false" && row.inTPS == "     0.00(,ms)")
    }
}
