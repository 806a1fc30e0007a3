public import MQJSON

/// How a master's log reaches its slaves: answer of `GET_BROKER_HA_STATUS` (907).
///
/// Source: `HARuntimeInfo.java`, RocketMQ 5.3.
public struct HARuntimeInfo: JSONBody {
    /// One slave that follows a master.
    public struct Connection: JSONBody {
        /// Where it is.
        public var addr: String
        /// Up to where it has the log.
        public var slaveAckOffset: Int64
        /// Bytes it is behind.
        public var diff: Int64
        /// Whether it keeps up.
        public var isInSync: Bool
        /// Bytes a second.
        public var transferredByteInSecond: Int64
        /// What is sent next.
        public var transferFromWhere: Int64

        /// Reads the members; see ``JSONBody``.
        public init(json: JSON) throws(BodyError) {
            let fields = try BodyFields(json, "HAConnectionRuntimeInfo")
            addr = try fields.optionalText("addr") ?? ""
            slaveAckOffset = try fields.int64("slaveAckOffset", default: 0)
            diff = try fields.int64("diff", default: 0)
            isInSync = try fields.bool("inSync", default: false)
            transferredByteInSecond = try fields.int64("transferredByteInSecond", default: 0)
            transferFromWhere = try fields.int64("transferFromWhere", default: 0)
        }

        /// The members as Java writes them.
        public var json: JSON {
            .members(
                ("addr", .string(addr)), ("diff", .integer(diff)), ("inSync", .bool(isInSync)),
                ("slaveAckOffset", .integer(slaveAckOffset)), ("transferFromWhere", .integer(transferFromWhere)),
                ("transferredByteInSecond", .integer(transferredByteInSecond)))
        }
    }

    /// How a slave follows its master; all zero at a master.
    public struct Client: JSONBody {
        /// The master; `nil` at a master.
        public var masterAddr: String?
        /// Bytes a second.
        public var transferredByteInSecond: Int64
        /// The end of the slave's log.
        public var maxOffset: Int64
        /// When it last heard of the master, milliseconds since 1970.
        public var lastReadTimestamp: Int64
        /// When it last told it something.
        public var lastWriteTimestamp: Int64
        /// What the master has on its disk.
        public var masterFlushOffset: Int64

        /// That of a master.
        public init() {
            masterAddr = nil
            (transferredByteInSecond, maxOffset, lastReadTimestamp, lastWriteTimestamp, masterFlushOffset) =
                (0, 0, 0, 0, 0)
        }

        /// Reads the members; see ``JSONBody``.
        public init(json: JSON) throws(BodyError) {
            let fields = try BodyFields(json, "HAClientRuntimeInfo")
            masterAddr = try fields.optionalText("masterAddr")
            transferredByteInSecond = try fields.int64("transferredByteInSecond", default: 0)
            maxOffset = try fields.int64("maxOffset", default: 0)
            lastReadTimestamp = try fields.int64("lastReadTimestamp", default: 0)
            lastWriteTimestamp = try fields.int64("lastWriteTimestamp", default: 0)
            masterFlushOffset = try fields.int64("masterFlushOffset", default: 0)
        }

        /// The members as Java writes them.
        public var json: JSON {
            .members(
                ("lastReadTimestamp", .integer(lastReadTimestamp)),
                ("lastWriteTimestamp", .integer(lastWriteTimestamp)),
                ("masterAddr", masterAddr.map { .string($0) }), ("masterFlushOffset", .integer(masterFlushOffset)),
                ("maxOffset", .integer(maxOffset)),
                ("transferredByteInSecond", .integer(transferredByteInSecond)))
        }
    }

    /// Whether the broker is a master.
    public var isMaster: Bool
    /// The end of the master's log.
    public var masterCommitLogMaxOffset: Int64
    /// Slaves that keep up.
    public var inSyncSlaveNums: Int
    /// All slaves.
    public var connections: [Connection]
    /// What a slave says.
    public var client: Client

    /// A master without slaves.
    public init(masterCommitLogMaxOffset: Int64) {
        isMaster = true
        self.masterCommitLogMaxOffset = masterCommitLogMaxOffset
        inSyncSlaveNums = 0
        connections = []
        client = Client()
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "HARuntimeInfo")
        isMaster = try fields.bool("master", default: false)
        masterCommitLogMaxOffset = try fields.int64("masterCommitLogMaxOffset", default: 0)
        inSyncSlaveNums = try fields.int("inSyncSlaveNums", default: 0)
        connections = try fields.bodies("haConnectionInfo")
        client = try fields.body("haClientRuntimeInfo") ?? Client()
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(
            ("haClientRuntimeInfo", client.json), ("haConnectionInfo", .list(connections)),
            ("inSyncSlaveNums", JSON(inSyncSlaveNums)), ("master", .bool(isMaster)),
            ("masterCommitLogMaxOffset", .integer(masterCommitLogMaxOffset)))
    }
}
