import MQBytes
import MQMessage
import MQProtocol
import MQRemoting

/// The header of END_TRANSACTION (37). Source: `EndTransactionRequestHeader.java`, RocketMQ 5.3.
struct EndTransactionRequest: Sendable {
    enum Decision: Equatable {
        case commit
        case rollback
    }

    let opaque: Int32
    let isOneWay: Bool
    let producerGroup: [UInt8]
    /// The half message's place in its queue, as the sender knows it.
    let tranStateTableOffset: Int64
    /// Where it lies in the log.
    let commitLogOffset: Int64
    /// `nil`: the sender does not know, or says something unknown.
    let decision: Decision?
    /// Whether it answers CHECK_TRANSACTION_STATE.
    let isFromCheck: Bool

    /// - Throws: ``Refusal`` if a field is missing or no number.
    init(_ header: RemotingHeader, in bytes: Span<UInt8>) throws(Refusal) {
        opaque = header.opaque
        isOneWay = header.isOneWay
        do throws(WireError) {
            guard let group = header.text("producerGroup", in: bytes),
                let queueOffset = try header.int64("tranStateTableOffset", in: bytes),
                let offset = try header.int64("commitLogOffset", in: bytes),
                let kind = try header.int32("commitOrRollback", in: bytes)
            else {
                throw .malformed("END_TRANSACTION without a field that it needs", at: 0)
            }
            producerGroup =
                group.isEscaped ? Array(group.string(in: bytes).utf8) : bytes.extracting(group.range).toArray()
            tranStateTableOffset = queueOffset
            commitLogOffset = offset
            decision =
                switch SysFlag(rawValue: kind) {
                case .transactionCommit: .commit
                case .transactionRollback: .rollback
                default: nil
                }
        } catch {
            throw Refusal(
                .systemError,
                "producerGroup, tranStateTableOffset, commitLogOffset and commitOrRollback are needed, the last three as "
                    + "numbers: \(error)")
        }
        // C++ writes 1.
        let text = header.text("fromTransactionCheck", in: bytes)
        isFromCheck = text.map { $0.isTrue(in: bytes) || bytes.extracting($0.range).equals("1") } ?? false
    }
}
