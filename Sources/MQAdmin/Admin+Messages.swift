import MQBase
import MQBytes
import MQMessage
public import MQProtocol
public import RocketMQClient

extension Admin {
    /// The message of an id as producers are told it: its unique key, or where it is stored. Brokers outside of the
    /// topic's route are asked only if nobody knows the key: any 32 digits name some address.
    public func message(
        id: String, topic: String, via cluster: String? = nil
    ) async throws(ClientError) -> MessageExt {
        let route = try await route(of: topic, via: cluster)
        let host = MessageID.decodeOffsetID(id).map { "\($0.host)" }
        if let host, route.brokerDatas.contains(where: { $0.brokerAddrs.values.contains(host) }) {
            return try await message(offsetID: id, topic: topic)
        }
        if let newest = try await messages(topic: topic, key: id, isUnique: true, max: 32, via: cluster).first {
            return newest
        }
        guard host != nil else {
            throw .invalid("no message of the topic \(topic) has the id \(id)")
        }
        return try await message(offsetID: id, topic: topic)
    }

    /// The message at the place an offset id names.
    /// - Throws: `invalid` if the text is no such id.
    public func message(offsetID: String, topic: String) async throws(ClientError) -> MessageExt {
        guard let (host, offset) = MessageID.decodeOffsetID(offsetID) else {
            throw .invalid("\(offsetID) is no offset message id (32 or 56 hexadecimal digits); is it a unique key?")
        }
        let address = "\(host)"
        guard (1...65_535).contains(host.port) else { throw .invalid("\(offsetID) names no broker: port \(host.port)") }
        let answer = try await link.ask(
            RemotingCommand(.viewMessageByID, ["offset": String(offset.rawValue), "topic": topic]), at: address)
        guard let message = try messages(in: answer, from: address, topic: topic).first else {
            throw .badAnswer(from: address, "no message")
        }
        return message
    }

    /// Messages of a topic that carry a key, from all its brokers.
    /// - Parameters:
    ///   - isUnique: the key is a message id that a producer made.
    ///   - begin: earliest store time, milliseconds since 1970.
    ///   - end: latest store time.
    ///   - cluster: whose route leads to a light queue.
    public func messages(
        topic: String, key: String, isUnique: Bool = false, begin: Int64 = 0, end: Int64 = .max, max: Int64 = 64,
        via cluster: String? = nil
    ) async throws(ClientError) -> [MessageExt] {
        var found: [MessageExt] = []
        for broker in try await route(of: topic, via: cluster).brokerDatas {
            guard let address = broker.anyAddress else { continue }
            let request = RemotingCommand(
                .queryMessage,
                [
                    "topic": topic, "key": key, "maxNum": String(max), "beginTimestamp": String(begin),
                    "endTimestamp": String(end), "_UNIQUE_KEY_QUERY": String(isUnique),
                ])
            let answer = try await link.answer(to: request, at: address, timeout: .seconds(15))
            switch answer.responseCode {
            case .success: found += try messages(in: answer, from: address, topic: topic)
            case .queryNotFound: break
            default:
                throw .refused(by: address, code: answer.code, remark: answer.remark ?? "no reason given")
            }
        }
        // The index knows hash codes only: others may come along.
        let exact = found.filter { isUnique ? $0.messageID == key : $0.keys.contains(key) }
        return exact.sorted { isUnique ? $0.storeTimestamp > $1.storeTimestamp : $0.storeTimestamp < $1.storeTimestamp }
    }

    /// The message at an offset of a queue; `nil` if there is none.
    public func message(in queue: MessageQueue, at offset: Int64) async throws(ClientError) -> MessageExt? {
        let broker = try await link.route(of: queue.topic).brokerDatas.first { $0.brokerName == queue.brokerName }
        guard let address = broker?.anyAddress else { throw .brokerNotFound(queue.brokerName) }
        var request = PullRequest(group: Self.toolsGroup, queue: queue, offset: offset)
        request.messagesMax = 1
        return try await link.pull(request, at: address).messages.first
    }

    private func messages(
        in answer: RemotingCommand, from address: String, topic: String
    ) throws(ClientError) -> [MessageExt] {
        do throws(WireError) {
            return try MessageExt.all(in: answer.body)
        } catch {
            throw .badAnswer(from: address, error.description)
        }
    }

    /// How a group stands to a message.
    public enum TrackType: String, Sendable {
        case consumed = "CONSUMED"
        case consumedButFiltered = "CONSUMED_BUT_FILTERED"
        case pull = "PULL"
        case notConsumedYet = "NOT_CONSUME_YET"
        case notOnline = "NOT_ONLINE"
        case broadcasting = "CONSUME_BROADCASTING"
        case unknown = "UNKNOWN"
    }

    /// How one group stands to a message.
    public struct MessageTrack: Equatable, Sendable {
        /// The group.
        public let group: String
        /// How it stands.
        public var type = TrackType.unknown
        /// Why that is not known, or that nobody of it is there.
        public var reason: String?
    }

    /// How each group of a message's topic stands to it.
    public func tracks(of message: MessageExt) async throws(ClientError) -> [MessageTrack] {
        var tracks: [MessageTrack] = []
        for group in try await groups(consuming: message.topic).sorted() {
            var track = MessageTrack(group: group)
            do throws(ClientError) {
                track.type = try await type(of: message, group)
            } catch {
                track.reason = error.description
                if case .refused(_, let code, let remark) = error {
                    if code == ResponseCode.consumerNotOnline.rawValue { track.type = .notOnline }
                    track.reason = "CODE:\(code) DESC:\(remark)"
                }
            }
            tracks.append(track)
        }
        return tracks
    }

    private func type(of message: MessageExt, _ group: String) async throws(ClientError) -> TrackType {
        let consumers = try await consumers(of: group)
        guard consumers.consumeType == .passively else { return .pull }
        guard consumers.messageModel == .clustering else { return .broadcasting }
        let stats = try await progress(of: group)
        let isPast = stats.offsetTable.contains { queue, progress in
            queue.topic == message.topic && queue.queueID == Int(message.queueID)
                && progress.consumerOffset > message.queueOffset
        }
        guard isPast else { return .notConsumedYet }
        let tags = consumers.subscriptionTable[message.topic]?.tagsSet ?? []
        let wants = tags.isEmpty || tags.contains("*") || tags.contains(message.tags ?? "")
        return wants ? .consumed : .consumedButFiltered
    }
}
