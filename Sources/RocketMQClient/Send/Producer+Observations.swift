import MQBase
import MQMessage
import MQSystem

extension Producer {
    /// Notes how long it took, for the choice of the next broker and for the trace.
    func note(
        _ result: Result<SendResult, ClientError>, _ answer: SendPipe.Answer, of outgoing: Outgoing,
        at broker: PublishPlan.Broker, since begun: Instant
    ) {
        let now = SystemClock.now()
        let latency = now.milliseconds(since: begun)
        let sent = try? result.get()  // a failure is noted as one
        if options.avoidsSlowBrokers {
            faults.withLock { $0.note(broker.name, latency: latency, failed: sent == nil, at: now) }
        }
        guard let tracer else { return }
        let region = (try? answer.get())?.region ?? "DefaultRegion"  // the client's own default, as in Java
        let properties = outgoing.properties
        let kind =
            properties[PropertyName.transactionPrepared] == "true"
            ? 1 : properties[PropertyName.delay] != nil || properties.isTimed ? 3 : 0
        tracer.add(
            TraceRecord(
                content: .publish(
                    TraceRecord.Publish(
                        timestamp: SystemClock.wall().rawValue - latency, region: region,
                        group: namespace.unwrap(group), topic: namespace.unwrap(outgoing.topic),
                        messageID: outgoing.id.text, tags: properties[PropertyName.tags] ?? "",
                        keys: properties[PropertyName.keys] ?? "", storeHost: broker.address,
                        bodyByteCount: outgoing.body.count, milliseconds: latency, kind: kind,
                        offsetMessageID: sent?.offsetMessageID ?? "", isSuccess: sent != nil)), region: region))
    }
}
