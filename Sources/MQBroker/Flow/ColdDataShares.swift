import MQBase
import MQJSON
import MQSystem

/// How much each group reads from the disk, and who waits with the next read: RocketMQ's control of cold data. Time goes in
/// windows of five seconds; a group that has read its share of one waits for the next. A plain value.
///
/// Source: `ColdDataCgCtrService.java`, RocketMQ 5.3; its adaptive strategies are not here.
struct ColdDataShares {
    /// What one group has read.
    private struct Reader {
        /// In this window.
        var byteCount: Int64 = 0
        let createdAt: Timestamp
        var lastReadAt: Timestamp
    }

    static let windowMilliseconds: Int64 = 5000
    /// How long a group that reads nothing from the disk is still shown.
    private static let keptMilliseconds: Int64 = 60_000

    /// Shares that administrators have set, bytes in a window.
    private var shares: [String: Int64] = [:]
    /// By group. Only groups that the broker knows come here, so that it bounds them.
    private var readers: [String: Reader] = [:]
    private var total: Int64 = 0
    private var windowEnd = Instant(nanoseconds: .min)

    /// Notes that `group` has read so many bytes from the disk.
    mutating func note(_ byteCount: Int, by group: String, now: Instant, wall: Timestamp) {
        turn(now, wall)
        total += Int64(byteCount)
        readers[group, default: Reader(createdAt: wall, lastReadAt: wall)].byteCount += Int64(byteCount)
        readers[group]?.lastReadAt = wall
    }

    /// How long `group` has to wait before it reads from the disk again, milliseconds; `nil`: not at all.
    mutating func wait(of group: String, _ limits: ColdDataLimits, now: Instant, wall: Timestamp) -> Int64? {
        turn(now, wall)
        guard limits.isEnabled, !GroupTable.isSystem(group), let reader = readers[group],
            reader.byteCount >= shares[group] ?? limits.groupByteCount || total >= limits.totalByteCount
        else { return nil }
        return max(1, windowEnd.milliseconds(since: now))
    }

    private mutating func turn(_ now: Instant, _ wall: Timestamp) {
        guard now >= windowEnd else { return }
        windowEnd = now.advanced(byMilliseconds: Self.windowMilliseconds)
        total = 0
        readers = readers.filter { wall.rawValue - $0.value.lastReadAt.rawValue < Self.keptMilliseconds }
            .mapValues { Reader(createdAt: $0.createdAt, lastReadAt: $0.lastReadAt) }
    }

    /// Gives a group a share of its own.
    /// - Returns: `false` if `countMax` groups have one already.
    mutating func setShare(_ byteCount: Int64, of group: String, countMax: Int) -> Bool {
        guard shares.count < countMax || shares[group] != nil else { return false }
        shares[group] = byteCount
        return true
    }

    /// Gives a group the share of all again.
    mutating func removeShare(of group: String) { shares[group] = nil }

    /// As administrators are told (2003).
    mutating func json(_ limits: ColdDataLimits, now: Instant, wall: Timestamp) -> JSON {
        turn(now, wall)
        func object(_ members: [(String, JSON)]) -> JSON {
            .object(JSONObject(members.sorted { $0.0 < $1.0 }.map { (JSONKey.string($0.0), $0.1) }))
        }
        return [
            "runtimeTable": object(
                readers.map { group, reader in
                    let members: JSON = [
                        "coldAcc": .integer(reader.byteCount), "createTimeMills": .integer(reader.createdAt.rawValue),
                        "lastColdReadTimeMills": .integer(reader.lastReadAt.rawValue),
                    ]
                    return (group, members)
                }),
            "configTable": object(shares.map { ($0.key, .integer($0.value)) }),
            "cgColdReadThreshold": .integer(limits.groupByteCount),
            "globalColdReadThreshold": .integer(limits.totalByteCount), "globalAcc": .integer(total),
        ]
    }
}

/// The shares of a broker. Any thread.
final class ColdData: Sendable {
    let shares = Lock(ColdDataShares())
}
