import MQBase
import MQConfig
import MQJSON
import MQMessage
import MQObserve
import MQProtocol
import MQRemoting
import MQSystem
import MQTransport

/// Reads from the disk: how far ahead, and how much of them each group may have. Not stored, as RocketMQ does not either.
///
/// Source: `AdminBrokerProcessor.java` `updateColdDataFlowCtrGroupConfig` and its neighbours, RocketMQ 5.3.
extension ControlService {
    /// `UPDATE_COLD_DATA_FLOW_CTR_CONFIG` (2001): lines `group=bytes`, all of them or none.
    func setColdShares(_ request: RemotingCommand, from channel: RemotingChannel) throws(Refusal) -> RemotingCommand {
        guard let lines = try? PropertiesText.parse(String(decoding: request.body, as: UTF8.self)) else {
            throw Refusal(.systemError, "string2Properties error")
        }
        var shares: [(group: String, byteCount: Int64)] = []
        for line in lines {
            if let refusal = NameRules.refusal(ofGroup: line.key) { throw Refusal(.invalidParameter, refusal) }
            guard let byteCount = Int64(line.value), byteCount >= 0 else {
                throw Refusal(.invalidParameter, "the threshold of \(line.key) is no number of bytes: \(line.value)")
            }
            shares.append((line.key, byteCount))
        }
        let fits = coldData.shares.withLock { table in
            shares.allSatisfy { table.setShare($0.byteCount, of: $0.group, countMax: limits.groupsMax) }
        }
        guard fits else { throw Refusal(.systemBusy, "\(limits.groupsMax) groups have a threshold of their own") }
        for (group, byteCount) in shares {
            log.info(
                "share of cold data changed",
                ["group": group, "bytes": String(byteCount), "by": channel.connection.peer.description])
        }
        return RemotingCommand(.success)
    }

    /// `REMOVE_COLD_DATA_FLOW_CTR_CONFIG` (2002): the body is the group's name.
    func removeColdShare(_ request: RemotingCommand, from channel: RemotingChannel) -> RemotingCommand {
        let group = String(decoding: request.body, as: UTF8.self)
        coldData.shares.withLock { $0.removeShare(of: group) }
        log.info(
            "share of cold data removed", ["group": group, "by": channel.connection.peer.description])
        return RemotingCommand(.success)
    }

    /// `GET_COLD_DATA_FLOW_CTR_INFO` (2003).
    func coldShares() -> RemotingCommand {
        let limits = config.current.pull.cold
        let json = coldData.shares.withLock { $0.json(limits, now: SystemClock.now(), wall: SystemClock.wall()) }
        return RemotingCommand(.success, body: json.encoded(.standard))
    }

    /// `SET_COMMITLOG_READ_MODE` (2004): 0 reads ahead, 1 does not; madvise(2) has these numbers.
    func setReadMode(_ request: RemotingCommand, from channel: RemotingChannel) throws(Refusal) -> RemotingCommand {
        guard let text = request["READ_AHEAD_MODE"] else {
            throw Refusal(.systemError, "set commitlog readahead mode param error")
        }
        guard text == "0" || text == "1" else {
            throw Refusal(.invalidParameter, "set commitlog readahead mode param value error")
        }
        _ = try config.update("dataReadAheadEnable=\(text == "0")\n")
        log.info("read-ahead changed", ["mode": text, "by": channel.connection.peer.description])
        return RemotingCommand(.success, remark: "set commitlog readahead mode success, mode: \(text)")
    }

    /// `CHECK_ROCKSDB_CQ_WRITE_PROGRESS` (354). A broker without RocksDB says yes and tells its log why nothing comes of it.
    func checkRocksDBQueues() -> RemotingCommand {
        log.info("checkRocksdbCqWriteProgress: rocksdbCQWriteEnable is false, the command is invalid")
        return RemotingCommand(.success, body: Array("{\"checkStatus\":2}".utf8))
    }
}
