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

    /// A connection was lost: the broker has forgotten us, so it is told again as soon as it can be reached. One task does
    /// it, however many connections are lost.
    func heartbeatSoon() {
        guard !members.isEmpty else { return }
        let isFirst = losses.withLock { losses in
            losses += 1
            return losses == 1
        }
        guard isFirst else { return }
        side.run { [weak self] in
            var seconds = 1
            while await pause(.seconds(seconds)), let self {
                seconds *= 2
                let isHeard = await self.heartbeat()
                if isHeard { for consumer in self.members.consumers { consumer.rebalanceSoon() } }
                let isOver = self.losses.withLock { losses in
                    // One that was lost meanwhile may not have been told; after long the regular heartbeats will do it.
                    losses = (isHeard && losses == 1) || seconds > 16 ? 0 : 1
                    return losses == 0
                }
                if isOver { return }
            }
        }
    }

    /// Tells all brokers that a producer or consumer group of ours is gone.
    func unregister(producerGroup: String? = nil, consumerGroup: String? = nil) async {
        var request = RemotingCommand(.unregisterClient, ["clientID": clientID])
        request["producerGroup"] = producerGroup
        request["consumerGroup"] = consumerGroup
        let addresses = Set(await routes.brokers().values.flatMap(\.values))
        await withTaskGroup(of: Void.self) { [request] group in
            for address in addresses {
                group.addTask {  // best effort: the connection ends soon
                    _ = try? await self.ask(request, at: address, timeout: .seconds(1))
                }
            }
        }
    }
}
