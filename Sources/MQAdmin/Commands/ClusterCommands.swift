import MQBase
import MQJSON
import MQProtocol
import MQSystem
import RocketMQClient

let clusterCommands: [Command] = [
    .listing(
        "clusterList", "List cluster infos.",
        [
            .flag("m", "moreStats", "Print more stats"),
            .value("i", "interval", "specify intervals numbers, it is in seconds"),
            .value("c", "clusterName", "which cluster"),
        ]
    ) { arguments, admin, output in
        let interval = try arguments.integer("i") ?? 0
        repeat {
            let info = try await admin.clusterInfo()
            let clusters = try chosenClusters(arguments["c"], info)
            let print = arguments.has("m") ? printMoreStats : printClusters
            let silent = await print(clusters, info, admin, output)
            guard interval > 0, !output.isJSON else {
                // All rows stand, empty where a broker is away; the failure makes the sentence and the exit code.
                guard let silent else { return }
                output.flush()
                throw silent
            }
            output.decorate("%n")
            output.flush()
            try await Task.sleep(for: .seconds(interval))
        } while true
    }
]

/// The cluster called `name`, or all.
func chosenClusters(_ name: String?, _ info: ClusterInfo) throws(ClientError) -> [String] {
    let all = info.clusterAddrTable.keys.sorted()
    guard let name else { return all }
    guard all.contains(name) else {
        throw unknownCluster(name, info)
    }
    return [name]
}

/// The brokers of the clusters in the order they are shown.
private func rows(_ clusters: [String], _ info: ClusterInfo) -> [(cluster: String, broker: BrokerData)] {
    clusters.flatMap { cluster in
        (info.clusterAddrTable[cluster] ?? []).sorted().compactMap { name in
            info.brokerAddrTable[name].map { (cluster, $0) }
        }
    }
}

/// A broker's figures; none of one that does not answer, whose failure is noted.
private func figures(
    of address: String, _ admin: Admin, _ silent: inout ClientError?
) async -> [String: String] {
    do throws(ClientError) {
        return try await admin.runtimeInfo(at: address)
    } catch {
        silent = silent ?? error
        return [:]
    }
}

/// - Returns: why a broker has an empty row, if one has.
private func printClusters(
    _ clusters: [String], _ info: ClusterInfo, _ admin: Admin, _ output: Output
) async -> ClientError? {
    var silent: ClientError?
    let table = output.table(
        "brokers",
        header: "%-22s  %-22s  %-4s  %-22s %-16s  %16s  %30s  %-22s  %-11s  %-12s  %-8s  %-10s%n",
        row: "%-22s  %-22s  %-4s  %-22s %-16s  %16s  %30s  %-22s  %11s  %-12s  %-8s  %10s%n",
        [
            "#Cluster Name": "clusterName", "#Broker Name": "brokerName", "#BID": "brokerId", "#Addr": "address",
            "#Version": "version", "#InTPS(LOAD)": "inTps", "#OutTPS(LOAD)": "outTps",
            "#Timer(Progress)": "timerProgress", "#PCWait(ms)": "pageCacheLockTimeMills",
            "#Hour": "hour", "#SPACE": "space", "#ACTIVATED": "activated",
        ])
    for (cluster, broker) in rows(clusters, info) {
        for (id, address) in broker.brokerAddrs.sorted(by: { $0.key < $1.key }) {
            let figures = await figures(of: address, admin, &silent)
            let row = ClusterRow(figures, now: SystemClock.wall())
            table.row(
                cluster, broker.brokerName, id, address, row.version,
                Cell(row.inTPS, figure(figures["putTps"])), Cell(row.outTPS, figure(figures["getTransferredTps"])),
                row.timer, row.pageCacheWait, Cell(row.hour, figure(row.hour)), Cell(row.space, figure(row.space)),
                Cell(row.isActive, .bool(row.isActive == "true")))
        }
    }
    return silent
}

private func figure(_ text: String?) -> JSON { .number(firstNumber(text)) }

/// The figures of one broker as clusterList shows them; pure.
struct ClusterRow: Equatable {
    let version: String
    let inTPS: String
    let outTPS: String
    let timer: String
    let pageCacheWait: String
    let hour: String
    let space: String
    let isActive: String

    /// - Parameter figures: the broker's runtime info; empty if it did not answer.
    init(_ figures: [String: String], now: Timestamp) {
        func first(_ key: String) -> Double { firstNumber(figures[key]) }
        func load(_ name: String, _ missing: String = "") -> String {
            let size = figures["\(name)ThreadPoolQueueSize"] ?? missing
            let wait = figures["\(name)ThreadPoolQueueHeadWaitTimeMills"] ?? missing
            return "\(size),\(wait)ms"
        }
        version = figures["brokerVersionDesc"] ?? ""
        inTPS = javaFormat("%9.2f(%s)", [first("putTps"), load("send")])
        outTPS = javaFormat("%9.2f(%s|%s)", [first("getTransferredTps"), load("pull"), load("ack", "N")])
        timer = javaFormat(
            "%d-%d(%.1fw, %.1f, %.1f)",
            [
                Int64(bounding: first("timerReadBehind")), Int64(bounding: first("timerOffsetBehind")),
                first("timerCongestNum") / 10_000,
                first("timerEnqueueTps"), first("timerDequeueTps"),
            ])
        pageCacheWait = figures["pageCacheLockTimeMills"] ?? ""
        let earliest = figures["earliestMessageTimeStamp"].flatMap { Int64($0) }
        // No message yet is -1 (or the largest number): shown as no time.
        let age = earliest.map { $0 > 0 && $0 <= now.rawValue ? Double(now.rawValue - $0) / 3_600_000 : 0 } ?? 0
        hour = javaFormat("%2.2f", [age])
        space = javaFormat("%.4f", [first("commitLogDiskRatio")])
        isActive = figures["brokerActive"] ?? "false"
    }
}

private func printMoreStats(
    _ clusters: [String], _ info: ClusterInfo, _ admin: Admin, _ output: Output
) async -> ClientError? {
    var silent: ClientError?
    let table = output.table(
        "brokers", header: "%-16s  %-32s %14s %14s %14s %14s%n", row: "%-16s  %-32s %14d %14d %14d %14d%n",
        [
            "#Cluster Name": "clusterName", "#Broker Name": "brokerName", "#InTotalYest": "inTotalYesterday",
            "#OutTotalYest": "outTotalYesterday", "#InTotalToday": "inTotalToday", "#OutTotalToday": "outTotalToday",
        ])
    for (cluster, broker) in rows(clusters, info) {
        guard let address = broker.brokerAddrs[0] else { continue }
        let figures = await figures(of: address, admin, &silent)
        func total(_ key: String) -> Int64 { figures[key].flatMap { Int64($0) } ?? 0 }
        table.row(
            cluster, broker.brokerName,
            total("msgPutTotalTodayMorning").minus(total("msgPutTotalYesterdayMorning")),
            total("msgGetTotalTodayMorning").minus(total("msgGetTotalYesterdayMorning")),
            total("msgPutTotalTodayNow").minus(total("msgPutTotalTodayMorning")),
            total("msgGetTotalTodayNow").minus(total("msgGetTotalTodayMorning")))
    }
    return silent
}
