import BenchWire
import Glibc

/// One run: connect, load, measure, end. One thread, one epoll set; ends the process if the broker goes away.
final class LoadRun {
    private let options: LoadOptions
    private let poller = Poller()
    private var senders: [SendConnection] = []
    private var pullers: [any ConsumerConnection] = []
    private var isBlocked: [Bool] = []
    private var now = Instants()
    private var produced = SideResult()
    private var consumed = SideResult()
    private var phase = Phase.warmup
    /// Monotonic nanoseconds: when the load began, is measured from, and ends.
    private var began: Int64 = 0
    private var measureFrom: Int64 = 0
    private var measureUntil: Int64 = 0
    private var measured: Int64 = 0
    private var sentCount = 0
    private var nextSender = 0
    private var lastAnswer: Int64 = 0
    private var watches: [ProcessWatch] = []
    private var progress = Progress()

    /// Load that is not measured; measured; no more load, last answers awaited.
    private enum Phase { case warmup, measuring, ending }

    init(_ options: LoadOptions) {
        self.options = options
        for pid in options.watched {
            guard let watch = ProcessWatch(pid: pid) else { stop("mqbench: there is no process \(pid) to watch") }
            watches.append(watch)
        }
        watches.append(ProcessWatch(pid: getpid())!)
        signal(SIGPIPE, SIG_IGN)
        Poller.usePreciseTimers()
    }

    /// Connects, loads and measures.
    func run() -> LoadResult {
        let plan = LoadPlan(options)
        connect(plan)
        now.update()
        (began, lastAnswer) = (now.now, now.now)
        measureFrom = began + (options.messageCount == nil ? options.warmup : 0)
        measureUntil = options.messageCount == nil ? measureFrom + options.duration : .max
        if options.messageCount != nil { beginMeasuring() }
        if options.rate == nil { for sender in senders.indices { fillWindow(senders[sender]) } }
        for index in senders.indices { flushSender(index) }
        var putOff = askAll()
        while !isFinished {
            let count = poller.wait(timeout: timeout(putOff))
            now.update()
            if phase == .warmup, now.now >= measureFrom { beginMeasuring() }
            for event in 0..<count { handle(event) }
            if options.rate != nil, phase != .ending { sendDue() }
            putOff = askAll()
            if phase == .measuring, isTimeToEnd { endMeasuring() }
            progress.show(now.now, produced, consumed)
            checkStall()
        }
        progress.clear()
        return result()
    }

    private func connect(_ plan: LoadPlan) {
        for index in 0..<(options.mode == .consume ? 0 : options.connectionCount) {
            let descriptor = open(plan.broker, token: UInt64(index))
            senders.append(
                SendConnection(
                    descriptor, options: options, targets: plan.targets.map { ($0.topic, $0.queue) },
                    first: index, keyHead: plan.keyHead(connection: index)))
        }
        let pullerCount = options.mode == .produce ? 0 : min(options.connectionCount, plan.targets.count)
        for index in 0..<pullerCount {
            let own = stride(from: index, to: plan.targets.count, by: pullerCount).map { plan.targets[$0] }
            let descriptor = open(plan.broker, token: UInt64(senders.count + index))
            if options.pops {
                pullers.append(PopConnection(descriptor, options: options, topic: own[0].topic))
            } else {
                pullers.append(PullConnection(descriptor, options: options, targets: own))
            }
        }
        isBlocked = Array(repeating: false, count: senders.count + pullers.count)
    }

    private func open(_ broker: Address, token: UInt64) -> Int32 {
        guard let descriptor = connectSocket(to: broker) else {
            stop("mqbench: cannot connect to the broker \(broker): \(systemError)")
        }
        setNonBlocking(descriptor)
        poller.add(descriptor, token: token)
        return descriptor
    }

    // MARK: phases

    private func beginMeasuring() {
        phase = .measuring
        measureFrom = now.now
        if measureUntil != .max { measureUntil = now.now + options.duration }
        produced = SideResult()
        consumed = SideResult()
        for index in watches.indices { watches[index].begin() }
    }

    private var isTimeToEnd: Bool {
        guard let count = options.messageCount else { return now.now >= measureUntil }
        if options.mode == .consume { return consumed.messageCount >= count }
        return sentCount == count && senders.allSatisfy { $0.outstanding == 0 }
    }

    private func endMeasuring() {
        phase = .ending
        measured = now.now - measureFrom
        for index in watches.indices { watches[index].end() }
        lastAnswer = now.now
    }

    private var isFinished: Bool {
        guard phase == .ending else { return false }
        return senders.allSatisfy { $0.outstanding == 0 } || now.now - lastAnswer > 5_000_000_000
    }

    /// A broker that says nothing for 30 s (longer than a pull is held) ends the run.
    private func checkStall() {
        guard phase != .ending, now.now - lastAnswer > 30_000_000_000, options.rate == nil || sentCount > 0 else {
            return
        }
        stop("mqbench: the broker has not answered for 30 s")
    }

    private func timeout(_ putOff: Int64?) -> Int64 {
        var until = now.now + 500_000_000
        if let putOff { until = min(until, putOff) }
        if phase == .warmup { until = min(until, measureFrom) }
        if phase == .measuring { until = min(until, measureUntil) }
        if let rate = options.rate, phase != .ending, senders.contains(where: \.hasRoom) {
            // Not more often than every 50 µs: the generator must not eat the broker's core.
            until = min(until, max(due(sentCount, rate), now.now + 50_000))
        }
        return max(0, until - now.now)
    }

    // MARK: events

    private func handle(_ event: Int) {
        let index = Int(poller.token(event))
        if index < senders.count {
            if poller.isReadable(event) { takeAnswers(index) }
            flushSender(index)
        } else {
            let puller = pullers[index - senders.count]
            if poller.isReadable(event) {
                guard puller.fill() else { brokerGone() }
                now.update()
                let pulls = consumed.pullCount
                puller.takeAnswers(into: &consumed, now: now)
                if consumed.pullCount != pulls { lastAnswer = now.now }
            }
            flushPuller(index)
        }
    }

    private func takeAnswers(_ index: Int) {
        let sender = senders[index]
        guard sender.fill() else { brokerGone() }
        now.update()
        lastAnswer = now.now
        while let answer = sender.nextAnswer() {
            if answer.code == 0 {
                if phase == .measuring {
                    produced.messageCount += 1
                    produced.bodyByteCount += options.bodyByteCount
                }
            } else {
                produced.errors[answer.code, default: 0] += 1
            }
            if phase != .warmup, answer.intended >= measureFrom, answer.code == 0 {
                produced.latency.record(UInt64(max(0, now.now - answer.intended)))
            }
        }
        if options.rate == nil, phase != .ending { fillWindow(sender) }
    }

    private func fillWindow(_ sender: SendConnection) {
        while sender.hasRoom, sentCount < options.messageCount ?? .max {
            sender.enqueue(intended: now.now, now: now)
            sentCount += 1
        }
    }

    /// When message `index` of an open loop is meant to leave.
    private func due(_ index: Int, _ rate: Double) -> Int64 { began + Int64(Double(index) * 1e9 / rate) }

    /// Open loop: hands what is due to the connections in turn. A message that waits because every window is full
    /// keeps its intended time.
    private func sendDue() {
        guard let rate = options.rate else { return }
        var full = 0
        var touched: Set<Int> = []
        while full < senders.count, sentCount < options.messageCount ?? .max {
            let intended = due(sentCount, rate)
            guard intended <= now.now else { break }
            let index = nextSender
            nextSender = (nextSender + 1) % senders.count
            guard senders[index].hasRoom else {
                full += 1
                continue
            }
            full = 0
            senders[index].enqueue(intended: intended, now: now)
            sentCount += 1
            touched.insert(index)
        }
        for index in touched { flushSender(index) }
    }

    private func askAll() -> Int64? {
        guard phase != .ending else { return nil }
        var earliest: Int64?
        for index in pullers.indices {
            if let time = pullers[index].ask(now: now.now) { earliest = min(earliest ?? .max, time) }
            flushPuller(senders.count + index)
        }
        return earliest
    }

    private func flushSender(_ index: Int) {
        guard senders[index].flush() else { brokerGone() }
        watchOutput(index, senders[index].hasOutput, senders[index].descriptor)
    }

    private func flushPuller(_ index: Int) {
        let puller = pullers[index - senders.count]
        guard puller.flush() else { brokerGone() }
        watchOutput(index, puller.hasOutput, puller.descriptor)
    }

    private func watchOutput(_ index: Int, _ hasOutput: Bool, _ descriptor: Int32) {
        guard hasOutput != isBlocked[index] else { return }
        isBlocked[index] = hasOutput
        poller.wantWrite(hasOutput, descriptor, token: UInt64(index))
    }

    private func brokerGone() -> Never {
        progress.clear()
        let count = produced.messageCount + consumed.messageCount
        stop("mqbench: the broker closed a connection after \(count) measured messages")
    }

    private func result() -> LoadResult {
        var result = LoadResult()
        produced.elapsed = measured
        consumed.elapsed = measured
        produced.unansweredCount = senders.reduce(0) { $0 + $1.outstanding }
        if let rate = options.rate {
            produced.unsentCount = max(0, Int(Double(measureFrom + measured - began) * rate / 1e9) - sentCount)
        }
        if options.mode != .consume { result.produce = produced }
        if options.mode != .produce { result.consume = consumed }
        result.processes = watches.map {
            ProcessResult(
                pid: $0.pid, name: $0.name, cpu: $0.used.cpu, user: $0.used.user, system: $0.used.system,
                residentKiB: $0.memory("VmRSS"), anonymousKiB: $0.memory("RssAnon"), fileKiB: $0.memory("RssFile"))
        }
        return result
    }
}
