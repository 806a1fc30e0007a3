import MQJSON
import MQProtocol
import RocketMQClient

let replicationCommands: [Command] = [
    .listing(
        "haStatus", "Fetch ha runtime status data.",
        CommandOption.target("which broker to fetch", "which cluster") + [
            .value("i", "interval", "the interval(second) of get info")
        ]
    ) { arguments, admin, output in
        let interval = try arguments.integer("i") ?? 0
        repeat {
            output.list("brokers")
            for address in try await admin.masters(arguments) {
                show(try await admin.replication(at: address), of: address, output)
            }
            guard interval > 0, !output.isJSON else { return }
            output.flush()
            try await Task.sleep(for: .seconds(interval))
        } while true
    },
    Command(
        "resetMasterFlushOffset", "Reset master flush offset in slave.",
        [
            .value("b", "brokerAddr", "which broker to reset", required: true),
            .value("o", "offset", "the offset to reset at", required: true),
        ]
    ) { arguments, admin, output in
        let offset = try arguments.integer("o") ?? 0
        try await admin.resetMasterFlushOffset(to: offset, at: try arguments.text("b"))
        output.print("reset master flush offset to %d success%n", offset)
    },
]

private func show(_ info: HARuntimeInfo, of address: String, _ output: Output) {
    guard !output.isJSON else {
        return output.item("brokers", ["address": .string(address), "status": info.json], "")
    }
    guard info.isMaster else { return show(info.client, output) }
    output.decorate(
        "%n#MasterAddr\t%s%n#MasterCommitLogMaxOffset\t%d%n#SlaveNum\t%d%n#InSyncSlaveNum\t%d%n", address,
        info.masterCommitLogMaxOffset, info.connections.count, info.inSyncSlaveNums)
    let titles = "%-32s  %-16s %16s %16s %16s %16s%n"
    output.decorate(
        titles, "#SlaveAddr", "#SlaveAckOffset", "#Diff", "#TransferSpeed(KB/s)", "#Status", "#TransferFromWhere")
    for slave in info.connections {
        output.decorate(
            "%-32s  %-16d %16d %16.2f %16s %16d%n", slave.addr, slave.slaveAckOffset, slave.diff,
            Double(slave.transferredByteInSecond) / 1024, slave.isInSync ? "OK" : "Fall Behind",
            slave.transferFromWhere)
    }
}

private func show(_ slave: HARuntimeInfo.Client, _ output: Output) {
    output.decorate("%n#MasterAddr\t%s%n", slave.masterAddr ?? "null")
    output.decorate("#CommitLogMaxOffset\t%d%n", slave.maxOffset)
    output.decorate("#TransferSpeed(KB/s)\t%.2f%n", Double(slave.transferredByteInSecond) / 1024)
    output.decorate("#LastReadTime\t%s%n", timeText(slave.lastReadTimestamp))
    output.decorate("#LastWriteTime\t%s%n", timeText(slave.lastWriteTimestamp))
    output.decorate("#MasterFlushOffset\t%s%n", slave.masterFlushOffset)
}
