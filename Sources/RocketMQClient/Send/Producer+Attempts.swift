import MQBase
import MQBytes
import MQProtocol
import MQRemoting
import MQSystem

/// Which queue, how often, and what came of it.
extension Producer {
    /// The way to a topic's queues, found by `deadline`.
    nonisolated(nonsending) func plan(
        of topic: String, before deadline: Instant?
    ) async throws(ClientError) -> SendPlan {
        if let plan = plans.withLock({ $0.current(topic) }) { return plan }
        let found = try await findPlan(of: topic, before: deadline)
        return plans.withLock { plans in
            if let plan = plans.current(topic) { return plan }  // many wait for the first route
            let plan = SendPlan(found, topic: topic, group: group, defaultQueueCount: options.defaultQueueCount)
            plans.keep(plan)
            return plan
        }
    }

    private func findPlan(of topic: String, before deadline: Instant?) async throws(ClientError) -> PublishPlan {
        if let plan = link.plans[topic] { return plan }
        // Others may wait for the same route, with more time: it is looked for to the end.
        let search = Task { [link, options] () -> Result<PublishPlan, ClientError> in
            do throws(ClientError) {
                return .success(try await link.plan(of: topic, defaultQueueCount: options.defaultQueueCount))
            } catch {
                return .failure(error)
            }
        }
        let waited = deadline.map { max(0, $0.milliseconds(since: SystemClock.now())) } ?? 0
        return try await value(
            of: search, before: deadline, late: .noAnswer(from: "the name server", .timedOut(milliseconds: waited)))
    }

    func noPermit() -> ClientError {
        if Task.isCancelled { return .cancelled }
        return .tooBusy(inFlightMax: options.inFlightMax, byteCountMax: options.inFlightByteCountMax)
    }

    /// Waits for room for the message, which is to be given back afterwards (``SendPermits/release(_:)``).
    nonisolated(nonsending) func takePermit(
        _ outgoing: Outgoing, before deadline: Instant
    ) async throws(ClientError) {
        guard await permits.acquire(outgoing.byteCount, before: deadline) else { throw noPermit() }
    }

    /// Messages on their way up to which a cancelled send ends at once. With more of them it ends within 10 ms: to be told of
    /// a cancellation costs each message a tenth of its time, which matters to those who send very much.
    private static let hurriedMax = 32

    private static func isHurried(_ inFlight: Int?) -> Bool { inFlight.map { $0 <= hurriedMax } ?? false }

    func pick(_ plan: PublishPlan, avoiding failed: String?) -> Int? {
        let turn = nextTurn()
        guard options.avoidsSlowBrokers else { return plan.queues.pickIndex(turn, avoiding: failed) }
        let now = SystemClock.now()
        return faults.withLock { $0.pick(plan.queues, turn: turn, avoiding: failed, at: now) }
    }

    /// Sends to one queue that `choose` names, once.
    nonisolated(nonsending) func send(
        _ message: Message, timeout: Duration?,
        _ choose: (PublishPlan) throws(ClientError) -> (index: Int, queueID: Int)
    ) async throws(ClientError) -> SendResult {
        let (outgoing, known) = try prepare(message)
        let begun = SystemClock.now()
        let deadline = deadline(timeout, since: begun)
        let inFlight = permits.tryAcquire(outgoing.byteCount)
        if inFlight == nil { try await takePermit(outgoing, before: deadline) }
        defer { permits.release(outgoing.byteCount) }
        let plan: SendPlan
        if let known { plan = known } else { plan = try await self.plan(of: outgoing.topic, before: deadline) }
        let (index, queueID) = try choose(plan.plan)
        do throws(ClientError) {
            return try await attempt(
                outgoing, plan, at: index, queueID: queueID, before: deadline, since: begun,
                isHurried: Self.isHurried(inFlight))
        } catch {
            await forget(outgoing.topic, because: error, at: plan.plan.brokers[index])
            throw error
        }
    }

    /// Sends, going round the queues, until a broker has it, a failure is final, or tries or time are used up. Waits for room
    /// first.
    nonisolated(nonsending) func deliver(
        _ outgoing: Outgoing, _ known: SendPlan? = nil, since begun: Instant, before deadline: Instant
    ) async throws(ClientError) -> SendResult {
        var begun = begun
        let inFlight = permits.tryAcquire(outgoing.byteCount)
        if inFlight == nil {
            try await takePermit(outgoing, before: deadline)
            begun = SystemClock.now()
        }
        defer { permits.release(outgoing.byteCount) }
        var failure = ClientError.noQueue(topic: outgoing.topic, wanted: "written")
        var failedBroker: String?
        var plan: SendPlan
        if let known {
            plan = known
        } else {
            plan = try await self.plan(of: outgoing.topic, before: deadline)
            begun = SystemClock.now()
        }
        for attempt in 0...max(0, options.retries) {
            guard let index = pick(plan.plan, avoiding: failedBroker) else { break }
            if attempt > 0 { begun = SystemClock.now() }
            guard begun < deadline else {
                if attempt == 0 {  // finding the queues took it all
                    failure = .noAnswer(
                        from: "the name server", .timedOut(milliseconds: options.sendTimeout.milliseconds))
                }
                break
            }
            let broker = plan.plan.brokers[index]
            do throws(ClientError) {
                let queueID = plan.plan.queues.queues[index].queueID
                let result = try await self.attempt(
                    outgoing, plan, at: index, queueID: queueID, before: deadline, since: begun,
                    isHurried: attempt > 0 || Self.isHurried(inFlight))
                let mayRetry = options.retriesWhenNotStoredOK && attempt < options.retries
                if result.status == .sendOK || !mayRetry { return result }
            } catch {
                failure = error
                await forget(outgoing.topic, because: error, at: broker)
                guard Self.isWorthRetrying(error) else { throw error }
            }
            failedBroker = broker.name
            // Else the old one serves.
            if let fresh = try? await self.plan(of: outgoing.topic, before: deadline) { plan = fresh }
        }
        throw failure
    }

    /// After a failure the way is looked at anew the next time.
    func forget(_ topic: String, because error: ClientError, at broker: PublishPlan.Broker) async {
        if case .cancelled = error { return }  // says nothing about the way
        if case .noAnswer(_, .cannotConnect) = error { link.forgetAddress(broker.address) }
        await link.routes.forgetDefault(topic)
        link.plans.forget(topic)
    }

    /// Answers after which another queue is tried. Source: `DefaultMQProducer.java` `retryResponseCodes`, 5.3.
    private static let retryCodes: Set<Int32> = [17, 14, 1, 2, 16, 204, 205, 1500]

    static func isWorthRetrying(_ error: ClientError) -> Bool {
        switch error {
        case .refused(_, let code, _): retryCodes.contains(code)
        case .noAnswer, .brokerNotFound, .badAddress: true
        default: false
        }
    }

    /// One try at one queue: the plan's at `index`, or another one of the same broker.
    nonisolated(nonsending) private func attempt(
        _ outgoing: Outgoing, _ plan: SendPlan, at index: Int, queueID: Int, before deadline: Instant,
        since begun: Instant, isHurried: Bool
    ) async throws(ClientError) -> SendResult {
        let broker = plan.plan.brokers[index]
        let pipe = try broker.pipe.get()
        let answer: SendPipe.Answer
        let isUsual =
            outgoing.code == .sendMessageV2 && queueID == plan.plan.queues.queues[index].queueID
            && link.options.credentials == nil
        if isUsual {
            answer = await pipe.answer(before: deadline, isHurried: isHurried) { buffer, opaque in
                plan.encode(outgoing, at: index, into: &buffer, opaque: opaque)
            }
        } else {
            let encode = encoding(outgoing, fields(of: outgoing, queueID: queueID, at: broker), isOneWay: false)
            answer = await pipe.answer(before: deadline, isHurried: isHurried, encode)
        }
        let result = self.result(answer, of: outgoing, at: broker, since: begun)
        if options.avoidsSlowBrokers || tracer != nil { note(result, answer, of: outgoing, at: broker, since: begun) }
        return try result.get()
    }

    func fields(of outgoing: Outgoing, queueID: Int, at broker: PublishPlan.Broker) -> RequestFields {
        RequestFields(
            code: outgoing.code, group: group, topic: outgoing.topic, queueID: queueID, brokerName: broker.nameBytes,
            defaultQueueCount: options.defaultQueueCount)
    }

    /// What appends any request; signed if there is somebody to sign as.
    func encoding(
        _ outgoing: Outgoing, _ fields: RequestFields, isOneWay: Bool
    ) -> (inout ByteBuffer, _ opaque: Int32) -> Void {
        guard link.options.credentials != nil else {
            return { outgoing.encode(into: &$0, opaque: $1, isOneWay: isOneWay, fields: fields) }
        }
        // Here, not with the pipe's lock held.
        let signed = link.options.signed(outgoing.command(isOneWay: isOneWay, fields: fields))
        return { buffer, opaque in
            var signed = signed
            signed.opaque = opaque
            signed.encode(into: &buffer)
        }
    }

    private func result(
        _ answer: SendPipe.Answer, of outgoing: Outgoing, at broker: PublishPlan.Broker, since begun: Instant
    ) -> Result<SendResult, ClientError> {
        switch answer {
        case .success(let answer):
            guard let status = SendStatus(ResponseCode(rawValue: answer.code)) else {
                let remark = answer.remark ?? "no reason given"
                return .failure(.refused(by: broker.address, code: answer.code, remark: remark))
            }
            guard let offset = answer.queueOffset, (0..<MessageExt.offsetMax).contains(offset),
                let queueID = answer.queueID
            else {
                return .failure(
                    .badAnswer(from: broker.address, "a send answer without a queueId and queueOffset that make sense"))
            }
            let queue = MessageQueue(
                topic: namespace.unwrap(outgoing.topic), brokerName: broker.name, queueID: Int(queueID))
            return .success(
                SendResult(
                    status: status, id: outgoing.id, offsetID: answer.messageID, queue: queue, queueOffset: offset,
                    recallHandle: answer.recallHandle))
        case .failure(let error):
            if Task.isCancelled { return .failure(.cancelled) }
            if case .timedOut = error {
                let waited = SystemClock.now().milliseconds(since: begun)
                return .failure(.noAnswer(from: broker.address, .timedOut(milliseconds: waited)))
            }
            return .failure(.noAnswer(from: broker.address, error))
        }
    }
}
