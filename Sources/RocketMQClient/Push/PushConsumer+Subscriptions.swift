import MQBase
import MQMessage
import MQProtocol
import MQSystem

/// What a consumer wants.
extension PushConsumer {
    /// Wants the topic's messages whose tag is in `expression`: `*`, or `A || B`.
    public func subscribe(_ topic: String, _ expression: String = "*") async throws(ClientError) {
        if let refusal = NameRules.refusal(ofTopic: topic) { throw .invalid(refusal) }
        let version = SystemClock.wall().rawValue
        let topic = namespace.wrap(topic)
        await set(try TagExpression.subscription(topic: topic, expression: expression, version: version))
    }

    /// Wants the topic's messages for whose properties the SQL92 expression is true. The broker must have
    /// `enablePropertyFilter` on.
    /// - Throws: `refused` if the consumer runs and a broker says that the expression is wrong; before it runs,
    ///   ``start(_:)`` does.
    public func subscribe(_ topic: String, sql expression: String) async throws(ClientError) {
        if let refusal = NameRules.refusal(ofTopic: topic) { throw .invalid(refusal) }
        let subscription = SubscriptionData(
            topic: namespace.wrap(topic), subString: expression, subVersion: SystemClock.wall().rawValue,
            expressionType: "SQL92")
        if core != nil { try await check(subscription) }
        await set(subscription)
    }

    /// Asks a broker of the topic whether it would serve an SQL92 subscription. A broker that cannot be asked, or does not
    /// know the question, is no reason not to start: its pulls will say. Source: `MQClientInstance.checkClientInBroker`.
    func check(_ subscription: SubscriptionData) async throws(ClientError) {
        guard subscription.expressionType != "TAG" else { return }
        guard let route = try? await link.route(of: subscription.topic) else { return }
        for broker in route.brokerDatas {
            guard let address = await link.brokerAddress(broker.brokerName, orAny: true) else { continue }
            do throws(ClientError) {
                return try await link.check(subscription, of: group, at: address)
            } catch {
                if case .refused(_, let code, _) = error, [1, 23].contains(code) { throw error }
            }
        }
    }

    /// Wants the topic's messages no longer. Those that handlers have are finished.
    public func unsubscribe(_ topic: String) async {
        let topic = namespace.wrap(topic)
        subscriptions[topic] = nil
        guard let core else { return }
        core.remove(subscription: topic)
        _ = await link.heartbeat()
        for (queue, popper) in poppers where queue.topic == topic {
            popper.drop()
            poppers[queue] = nil
        }
        await release(topic, core)
    }

    private func set(_ subscription: SubscriptionData) async {
        subscriptions[subscription.topic] = subscription
        guard let core else { return }
        core.set(subscription)
        _ = try? await link.route(of: subscription.topic)  // so that its brokers hear of it; asked again by rebalances
        _ = await link.heartbeat()
        await rebalance()
    }
}
