import MQBase
import MQBytes
import MQConfig
import MQJSON
import MQObserve
import MQProtocol
import MQRemoting
import MQSystem
import MQTransport

/// Turns requests into calls on the tables. One loop owns it; only files are written elsewhere.
///
/// Source: `DefaultRequestProcessor.java`, `ClientRequestProcessor.java`, RocketMQ 5.3.
final class NameService: RemotingService {
    let loop: EventLoop
    let log: Log
    let saver: FileSaver
    var config: ConfigValues
    var table: RouteTable
    var kvConfig: KVConfig
    /// What routes were encoded already.
    var cache = RouteCache()
    /// Channels that brokers are registered on.
    private var channels: [RouteTable.ChannelID: RemotingChannel] = [:]
    private let startedAt: Instant

    init(loop: EventLoop, config: ConfigValues, kvConfig: KVConfig, saver: FileSaver, log: Log) {
        self.loop = loop
        self.log = log
        self.saver = saver
        self.config = config
        self.kvConfig = kvConfig
        table = RouteTable(rules: RouteTable.Rules(config))
        startedAt = loop.now
    }

    // MARK: - Requests

    func handle(
        _ header: RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>, on channel: RemotingChannel
    ) {
        let reply = channel.reply(to: header.opaque, isOneWay: header.isOneWay)
        do throws(Refusal) {
            if header.code == RequestCode.getRouteInfoByTopic.rawValue {
                try answerRoute(header, in: bytes, on: channel)
            } else if let answer = try answer(RemotingCommand(header, frame, in: bytes), from: channel, later: reply) {
                reply.send(answer)
            }
        } catch {
            reply.send(error.answer)
        }
    }

    /// - Parameter later: where an answer goes that is not returned (`nil`) because a file must be written first.
    private func answer(
        _ request: RemotingCommand, from channel: RemotingChannel, later: Reply
    ) throws(Refusal) -> RemotingCommand? {
        switch request.requestCode {
        case .registerBroker: try registerBroker(request, from: channel)
        case .unregisterBroker: try unregisterBroker(request)
        case .brokerHeartbeat: try refreshBroker(request)
        case .queryDataVersion: try queryDataVersion(request)
        case .getBrokerClusterInfo: RemotingCommand(.success, body: table.clusterInfo.encoded())
        case .getBrokerMemberGroup: try memberGroup(request)
        case .wipeWritePermOfBroker: try wipeWritePermission(request)
        case .addWritePermOfBroker: try addWritePermission(request)
        case .getAllTopicListFromNameServer: try allTopics()
        case .getTopicsByCluster: try topicsByCluster(request)
        case .getSystemTopicListFromNameServer: RemotingCommand(.success, body: table.systemTopics.encoded())
        case .getUnitTopicList: try unitTopics { $0.contains(.unit) }
        case .getHasUnitSubTopicList: try unitTopics { $0.contains(.unitSubscription) }
        case .getHasUnitSubUnUnitTopicList: try unitTopics { $0.contains(.unitSubscription) && !$0.contains(.unit) }
        case .deleteTopicInNameServer: try deleteTopic(request)
        case .registerTopicInNameServer: try registerTopic(request)
        case .putKVConfig: try putKVConfig(request, later)
        case .getKVConfig: try getKVConfig(request)
        case .deleteKVConfig: try deleteKVConfig(request, later)
        case .getKVListByNamespace: try kvList(request)
        case .updateNameServerConfig: try updateConfig(request, later)
        case .getNameServerConfig: RemotingCommand(.success, body: Array(config.listing().utf8))
        default: .notSupported(request.code)
        }
    }

    // MARK: - Routes

    /// `GET_ROUTEINFO_BY_TOPIC` (105), from the header's bytes straight into the output when the body is known already.
    private func answerRoute(
        _ header: RemotingHeader, in bytes: Span<UInt8>, on channel: RemotingChannel
    ) throws(Refusal) {
        guard isReady else { throw .notReady }
        guard let topic = header.text("topic", in: bytes) else { throw .noRoute("null") }
        let isStandard =
            header.version >= ProtocolVersion.v4_9_4 || header.bool("acceptStandardJsonOnly", in: bytes) == true
        if header.bool("__ZONE_MODE", in: bytes) == true, let zone = header.string("__ZONE_NAME", in: bytes),
            !zone.isEmpty
        {
            // Even new clients get the old form then, as RocketMQ's hook encodes it again.
            let route = try route(of: topic.string(in: bytes)).inZone(zone)
            return write(route.encoded(), to: header, on: channel)
        }
        let name = bytes.extracting(topic.range)
        if !topic.isEscaped, let body = cache.body(name, isStandard: isStandard, at: table.version) {
            return write(body, to: header, on: channel)
        }
        let body = try route(of: topic.string(in: bytes)).encoded(isStandard ? .standard : .compact)
        if !topic.isEscaped { cache.keep(body, for: name, isStandard: isStandard, at: table.version) }
        write(body, to: header, on: channel)
    }

    private var isReady: Bool {
        guard config[NameServerKeys.needWaitForService] else { return true }
        return loop.now.milliseconds(since: startedAt) >= config[NameServerKeys.waitSecondsForService].milliseconds
    }

    private func route(of topic: String) throws(Refusal) -> TopicRouteData {
        guard var route = table.route(of: topic) else { throw .noRoute(topic) }
        if config[NameServerKeys.orderMessageEnable] {
            route.orderTopicConf = kvConfig[KVConfig.orderTopicNamespace, topic]
        }
        return route
    }

    private func write(_ body: [UInt8], to header: RemotingHeader, on channel: RemotingChannel) {
        guard !header.isOneWay else { return }
        channel.connection.send { buffer in
            let writer = ResponseWriter(&buffer, type: channel.serializeType, code: ResponseCode.success.rawValue)
            writer.finish(opaque: header.opaque, bodyByteCount: body.count, in: &buffer)
            buffer.append(body)
        }
    }

    // MARK: - Liveness

    /// Remembers the channel of a broker, to close it when the broker falls silent.
    func remember(_ channel: RemotingChannel) { channels[channel.connection.id] = channel }

    func closed(_ channel: RemotingChannel, because reason: CloseReason) {
        channels[channel.connection.id] = nil
        for broker in table.channelClosed(channel.connection.id) {
            log.info(
                "broker gone: its channel closed",
                ["broker": broker.brokerName, "address": broker.address, "reason": reason.description])
        }
    }

    /// Looks for silent brokers now and every `scanNotActiveBrokerInterval`.
    func watchBrokers() {
        let (gone, silentChannels) = table.expire(at: loop.now)
        for broker in gone {
            log.warn("broker gone: no heartbeat in time", ["broker": broker.brokerName, "address": broker.address])
        }
        for id in silentChannels { channels[id]?.connection.close("its brokers sent no heartbeat in time") }
        let interval = config[NameServerKeys.scanNotActiveBrokerInterval].milliseconds
        loop.schedule(afterMilliseconds: interval) { [weak self] in self?.watchBrokers() }
    }
}

extension RouteTable.Rules {
    /// The rules that a configuration sets.
    init(_ config: ConfigValues) {
        self.init()
        deletesTopicsNotRegistered = config[NameServerKeys.deleteTopicWithBrokerRegistration]
        supportsActingMaster = config[NameServerKeys.supportActingMaster]
    }
}
