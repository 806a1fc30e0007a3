import MQBytes
import MQConfig
import MQJSON
import MQObserve
import MQProtocol
import MQRemoting
import MQTransport

/// Requests that brokers send about themselves, and the ones about brokers.
extension NameService {
    /// Limits of one registration's body: 16 MiB of frame may not become more than this.
    private static let bodyLimits = JSONLimits(byteCountMax: 16 << 20, depthMax: 32, elementsMax: 2_000_000)
    private static let expandedByteCountMax = 32 << 20
    /// A zlib stream's first byte; no JSON text begins with it.
    private static let zlibMark: UInt8 = 0x78

    /// `REGISTER_BROKER` (103).
    func registerBroker(_ request: RemotingCommand, from channel: RemotingChannel) throws(Refusal) -> RemotingCommand {
        let sum = try request.number("bodyCrc32", default: 0)
        guard sum == 0 || sum == Int64(CRC32.value(of: request.body.span) & 0x7FFF_FFFF) else { throw .wrongChecksum }
        var registration = RouteTable.Registration(
            cluster: try request.required("clusterName"), brokerName: try request.required("brokerName"),
            address: try request.required("brokerAddr"), brokerID: try request.number("brokerId", default: 0),
            haServerAddress: request["haServerAddr"] ?? "", topics: try topics(in: request),
            channel: channel.connection.id)
        registration.zoneName = request["__ZONE_NAME"]
        registration.heartbeatTimeoutMilliseconds = try request.number("heartbeatTimeoutMillis", default: 120_000)
        registration.enableActingMaster = request["enableActingMaster"].map { $0.lowercased() == "true" }

        let outcome: RouteTable.RegistrationAnswer
        do throws(RouteRefusal) {
            outcome = try table.register(registration, at: loop.now)
        } catch {
            log.warn(
                "registration refused",
                [
                    "broker": registration.brokerName, "address": registration.address,
                    "peer": channel.connection.peer.description, "reason": error.description,
                ])
            throw Refusal(error)
        }
        var answer = RemotingCommand(.success)
        switch outcome {
        case .registered(let isNew): logRegistered(registration, isNew)
        case .slave(let isNew, let masterAddress, let haServerAddress):
            logRegistered(registration, isNew)
            answer["haServerAddr"] = haServerAddress
            answer["masterAddr"] = masterAddress
        case .conflict(let holder):
            log.warn(
                "registration ignored: another process holds this broker id with a newer state",
                ["broker": registration.brokerName, "address": registration.address, "holder": holder])
        }
        remember(channel)
        if config[NameServerKeys.returnOrderTopicConfigToBroker],
            let order = kvConfig.namespaces[KVConfig.orderTopicNamespace]
        {
            answer.body = KVTable(table: order).encoded()
        }
        return answer
    }

    private func logRegistered(_ registration: RouteTable.Registration, _ isNew: Bool) {
        guard isNew else { return }
        log.info(
            "broker registered",
            [
                "broker": registration.brokerName, "address": registration.address,
                "id": String(registration.brokerID), "cluster": registration.cluster,
            ])
    }

    private func topics(in request: RemotingCommand) throws(Refusal) -> TopicConfigSerializeWrapper? {
        guard !request.body.isEmpty else { return nil }
        do throws(BodyError) {
            guard request.version >= ProtocolVersion.v3_0_11 else {
                return try TopicConfigSerializeWrapper(parsing: request.body, limits: Self.bodyLimits)
            }
            // Brokers of 5.3.3 compress and say `compressed=false`: the body's first byte is believed.
            if request.bool("compressed") || request.body[0] == Self.zlibMark {
                let body = try RegisterBrokerBody(
                    compressed: request.body.span, expandedMax: Self.expandedByteCountMax)
                return body.topicConfigSerializeWrapper
            }
            return try RegisterBrokerBody(parsing: request.body, limits: Self.bodyLimits).topicConfigSerializeWrapper
        } catch {
            throw Refusal(error)
        }
    }

    /// `UNREGISTER_BROKER` (104).
    func unregisterBroker(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        let brokerName = try request.required("brokerName")
        let address = try request.required("brokerAddr")
        table.unregister(cluster: try request.required("clusterName"), brokerName: brokerName, address: address)
        log.info("broker unregistered", ["broker": brokerName, "address": address])
        return RemotingCommand(.success)
    }

    /// `BROKER_HEARTBEAT` (904): only says that the broker lives.
    func refreshBroker(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        table.refresh(
            cluster: try request.required("clusterName"), address: try request.required("brokerAddr"), at: loop.now)
        return RemotingCommand(.success)
    }

    /// `QUERY_DATA_VERSION` (322): whether the broker must register its topics again.
    func queryDataVersion(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        let cluster = try request.required("clusterName")
        let address = try request.required("brokerAddr")
        var theirs: DataVersion?  // none: whatever is known here is news
        if !request.body.isEmpty {
            do throws(BodyError) { theirs = try DataVersion(parsing: request.body) } catch { throw Refusal(error) }
        }
        let ours = table.dataVersion(cluster: cluster, address: address)
        let isSame = ours != nil && ours == theirs
        if isSame { table.refresh(cluster: cluster, address: address, at: loop.now) }
        return RemotingCommand(
            .success, ["changed": isSame ? "false" : "true"], body: ours.map { $0.encoded() } ?? [])
    }

    /// `GET_BROKER_MEMBER_GROUP` (901): the addresses under one broker name.
    func memberGroup(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        let brokerName = try request.required("brokerName")
        let addresses = table.addresses(of: brokerName).sorted { $0.key < $1.key }
            .map { (JSONKey.integer($0.key), JSON.string($0.value)) }
        let group: JSON = [
            "brokerAddrs": .object(JSONObject(addresses)), "brokerName": .string(brokerName),
            "cluster": .string(try request.required("clusterName")),
        ]
        return RemotingCommand(.success, body: (["brokerMemberGroup": group] as JSON).encoded())
    }

    /// `WIPE_WRITE_PERM_OF_BROKER` (205).
    func wipeWritePermission(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        let brokerName = try request.required("brokerName")
        let count = table.wipeWritePermission(of: brokerName)
        log.info("write permission wiped", ["broker": brokerName, "topics": String(count)])
        return RemotingCommand(.success, ["wipeTopicCount": String(count)])
    }

    /// `ADD_WRITE_PERM_OF_BROKER` (327).
    func addWritePermission(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        let brokerName = try request.required("brokerName")
        let count = table.addWritePermission(of: brokerName)
        log.info("write permission added", ["broker": brokerName, "topics": String(count)])
        return RemotingCommand(.success, ["addTopicCount": String(count)])
    }
}
