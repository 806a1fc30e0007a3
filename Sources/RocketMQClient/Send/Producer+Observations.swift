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
        let properties = outgoing.properties
        tracer.add(
            TraceRecord(.sent) { record in
                record.timestamp = SystemClock.wall().rawValue - latency
                // Else the client's own, as in Java.
                if let region = (try? answer.get())?.region { record.region = region }
                record.group = namespace.unwrap(group)
                record.topic = namespace.unwrap(outgoing.topic)
                record.messageID = outgoing.id.text
                record.tags = properties[PropertyName.tags] ?? ""
                record.keys = properties[PropertyName.keys] ?? ""
                record.storeHost = broker.address
                record.bodyByteCount = outgoing.body.count
                record.milliseconds = latency
                record.messageKind =
                    properties[PropertyName.transactionPrepared] == "true"
                    ? .half : properties[PropertyName.delay] != nil || properties.isTimed ? .delayed : .normal
                record.offsetMessageID = sent?.offsetMessageID ?? ""
                record.isSuccess = sent != nil
            })
    }

    /// Notes what the broker at `address` is told of a transaction.
    /// - Parameter properties: the message's.
    func noteEnd(
        _ state: TransactionState, of id: String, _ properties: MessageProperties, topic: String, at address: String,
        isFromCheck: Bool
    ) {
        tracer?.add(
            TraceRecord(.ended) { record in
                record.timestamp = SystemClock.wall().rawValue
                if let region = properties[PropertyName.messageRegion] { record.region = region }
                record.group = namespace.unwrap(group)
                record.topic = namespace.unwrap(topic)
                record.messageID = id
                record.tags = properties[PropertyName.tags] ?? ""
                record.keys = properties[PropertyName.keys] ?? ""
                record.storeHost = address
                record.messageKind = .commit
                record.transactionID = properties[PropertyName.transactionID] ?? id
                record.transactionState = state.rawValue
                record.isFromCheck = isFromCheck
            })
    }

    /// Notes that a message was taken back, or could not be.
    func noteRecall(_ id: String?, topic: String) {
        tracer?.add(
            TraceRecord(.recalled) { record in
                record.timestamp = SystemClock.wall().rawValue
                record.group = namespace.unwrap(group)
                record.topic = topic
                record.messageID = id ?? ""
                record.isSuccess = id != nil
            })
    }
}
