import MQBytes
public import MQProtocol

/// One pull of a queue.
public struct PullRequest: Sendable {
    /// The group that pulls.
    public var group: String
    /// What is pulled.
    public var queue: MessageQueue
    /// The offset to begin at.
    public var offset: Int64
    /// Most messages wanted.
    public var messagesMax = 32
    /// Most bytes wanted.
    public var byteCountMax = 256 << 10
    /// The group's progress, committed along the way; `nil` leaves it alone.
    public var commitOffset: Int64?
    /// How long the broker may keep the request if there is nothing; `nil` answers at once.
    public var suspend: Duration?
    /// The filter.
    public var subscription: SubscriptionData
    /// Says that the application asks when it likes (LITE_PULL_MESSAGE), as Java's lite pull consumer does.
    public var isLite = false

    /// A pull without filter, suspension or commit.
    public init(group: String, queue: MessageQueue, offset: Int64) {
        self.group = group
        self.queue = queue
        self.offset = offset
        subscription = SubscriptionData(topic: queue.topic, subString: "*")
    }

    var command: RemotingCommand {
        var flags: PullMessageRequest.Flags = .subscription
        if commitOffset != nil { flags.insert(.commitOffset) }
        if suspend != nil { flags.insert(.suspend) }
        return RemotingCommand(
            isLite ? .litePullMessage : .pullMessage,
            [
                "consumerGroup": group, "topic": queue.topic, "queueId": String(queue.queueID),
                "queueOffset": String(offset), "maxMsgNums": String(messagesMax), "sysFlag": String(flags.rawValue),
                "commitOffset": String(commitOffset ?? 0),
                "suspendTimeoutMillis": String(suspend?.milliseconds ?? 0), "subscription": subscription.subString,
                "subVersion": String(subscription.subVersion), "expressionType": subscription.expressionType,
                "maxMsgBytes": String(byteCountMax), "bname": queue.brokerName,
            ])
    }
}

/// What a pull brought.
public struct PullResult: Sendable {
    /// How a pull ended; the raw value is RocketMQ's word.
    public enum Status: String, Sendable {
        /// Messages are there.
        case found = "FOUND"
        /// Nothing new; a suspended pull waited in vain.
        case nothingNew = "NO_NEW_MSG"
        /// Nothing that the filter lets through; go on at ``next``.
        case noMatch = "NO_MATCHED_MSG"
        /// The offset is not in the queue; go on at ``next``.
        case offsetMoved = "OFFSET_ILLEGAL"
    }

    /// How it ended.
    public let status: Status
    /// Where to pull next.
    public let next: Int64
    /// The smallest offset in the queue.
    public let min: Int64
    /// The offset of the queue's next message.
    public let max: Int64
    /// The broker id the broker would rather be asked under: 0 the master.
    public let suggestedBrokerID: Int64
    /// The messages, in order.
    public let messages: [MessageExt]
}

extension PullResult: CustomStringConvertible {
    /// As Java prints it.
    public var description: String {
        "PullResult [pullStatus=\(status.rawValue), nextBeginOffset=\(next), minOffset=\(min), maxOffset=\(max), "
            + "msgFoundList=\(messages.count)]"
    }
}

extension ClusterLink {
    /// Pulls once from the broker at `address`. The broker's name is noted in the messages.
    public func pull(_ request: PullRequest, at address: String) async throws(ClientError) -> PullResult {
        let timeout = request.suspend.map { $0 + .seconds(15) } ?? .seconds(10)
        let answer = try await answer(to: request.command, at: address, timeout: timeout)
        let status: PullResult.Status =
            switch answer.responseCode {
            case .success: .found
            case .pullNotFound: .nothingNew
            case .pullRetryImmediately: .noMatch
            case .pullOffsetMoved: .offsetMoved
            default:
                throw .refused(by: address, code: answer.code, remark: answer.remark ?? "no reason given")
            }
        guard let next = answer.int64("nextBeginOffset") else {
            throw .badAnswer(from: address, "a pull answer without nextBeginOffset")
        }
        let (min, max) = (answer.int64("minOffset") ?? 0, answer.int64("maxOffset") ?? 0)
        var messages: [MessageExt] = []
        if status == .found {
            do throws(WireError) {
                messages = try MessageExt.all(in: answer.body)
            } catch {
                throw .badAnswer(from: address, error.description)
            }
            let ends = min <= max ? min..<max : nil
            for index in messages.indices {
                messages[index].brokerName = request.queue.brokerName
                messages[index].queueEnds = ends
            }
        }
        return PullResult(
            status: status, next: next, min: min, max: max,
            suggestedBrokerID: answer.int64("suggestWhichBrokerId") ?? 0, messages: messages)
    }
}
