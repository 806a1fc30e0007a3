public import MQJSON
import MQProtocol
public import RocketMQClient

/// Reads of brokers from their disks.
extension Admin {
    /// Gives a group a share of its own of what the broker at `address` reads from the disk in 5 s, bytes.
    public func setColdShare(_ byteCount: Int64, of group: String, at address: String) async throws(ClientError) {
        let line = try propertyLine(group, String(byteCount))
        try await link.ask(RemotingCommand(.updateColdDataFlowControl, body: Array(line.utf8)), at: address)
    }

    /// Gives a group the share of all again.
    public func removeColdShare(of group: String, at address: String) async throws(ClientError) {
        try await link.ask(RemotingCommand(.removeColdDataFlowControl, body: Array(group.utf8)), at: address)
    }

    /// What groups have read from the disk of the broker at `address`, and what they may; `nil` if it tells nothing.
    public func coldShares(at address: String) async throws(ClientError) -> JSON? {
        let answer = try await link.ask(RemotingCommand(.getColdDataFlowControl), at: address)
        guard !answer.body.isEmpty else { return nil }
        do {
            return try JSON(parsing: answer.body)
        } catch {
            throw .badAnswer(from: address, "\(error)")
        }
    }

    /// Whether the broker at `address` reads further ahead in its log than it is asked for.
    /// - Returns: the broker's words.
    public func setReadAhead(_ isOn: Bool, at address: String) async throws(ClientError) -> String? {
        // The numbers of madvise(2): normal and random.
        try await link.ask(RemotingCommand(.setCommitLogReadMode, ["READ_AHEAD_MODE": isOn ? "0" : "1"]), at: address)
            .remark
    }
}
