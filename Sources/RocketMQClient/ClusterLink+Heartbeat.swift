import MQProtocol
import MQRemoting
import MQSystem

extension ClusterLink {
    /// What brokers are told of this client.
    var heartbeatData: HeartbeatData {
        HeartbeatData(
            clientID: clientID, producerGroups: members.producerGroups,
            consumerDataSet: members.consumers.map(\.consumerData).sorted { $0.groupName < $1.groupName })
    }

    /// Tells all brokers of the routes in use that the client lives: masters, and slaves too if there are consumers.
    /// - Returns: whether all of them answered.
    func heartbeat() async -> Bool {
        guard !members.isEmpty else { return true }
        let data = heartbeatData
        let request = RemotingCommand(.heartBeat, body: data.encoded())
        let brokers = await routes.brokers()
        var addresses = Set<String>()
        for (_, byID) in brokers {
            for (id, address) in byID where id == 0 || !data.consumerDataSet.isEmpty { addresses.insert(address) }
        }
        return await withTaskGroup(of: Bool.self) { group in
            for address in addresses {
                group.addTask { await self.isHeard(request, at: address) }  // a dead broker is tried again
            }
            var all = true
            for await isHeard in group where !isHeard { all = false }
            return all
        }
    }

    /// A broker that does not answer a heartbeat may be gone without the connection's having noticed: it is made anew, so
    /// that pulls do not wait on a dead one.
    private func isHeard(_ request: RemotingCommand, at address: String) async -> Bool {
        do throws(ClientError) {
            try await ask(request, at: address)
            return true
        } catch {
            if case .noAnswer(_, .timedOut) = error { await disconnect(address) }
            return false
        }
    }

    /// A connection was lost: the broker has forgotten us, so it is told again as soon as it can be reached.
    func heartbeatSoon() {
        guard !members.isEmpty else { return }
        Task { [weak self] in
            for seconds in [1, 2, 4, 8, 16] {
                guard await pause(.seconds(seconds)), let self else { return }
                if await self.heartbeat() {
                    for consumer in self.members.consumers { consumer.rebalanceSoon() }
                    return
                }
            }
        }
    }

    /// Tells all brokers that a producer or consumer group of ours is gone.
    func unregister(producerGroup: String? = nil, consumerGroup: String? = nil) async {
        var request = RemotingCommand(.unregisterClient, ["clientID": clientID])
        request["producerGroup"] = producerGroup
        request["consumerGroup"] = consumerGroup
        for (_, byID) in await routes.brokers() {
            for (_, address) in byID {
                _ = try? await ask(request, at: address, timeout: .seconds(1))  // best effort: the connection ends soon
            }
        }
    }
}
