package import MQObserve
import MQSystem

extension TimerStore {
    /// What opening must know of the broker's log.
    package struct Surroundings {
        /// Offsets of the wheel's queue.
        package var queue: Range<Int64>
        /// The wall clock, milliseconds.
        package var now: Int64
        /// The queue offset that the record at a place of the CommitLog has; `nil` if no message of the wheel's topic begins
        /// there.
        package var queueOffset: (_ record: Int64) -> Int64?
        /// When the message at an offset of the wheel's queue was stored, milliseconds; `nil` if there is none.
        package var storedAt: (_ offset: Int64) -> Int64?

        /// They are asked for while the store is opened only.
        package init(
            queue: Range<Int64>, now: Int64, storedAt: @escaping (_ offset: Int64) -> Int64? = { _ in nil },
            queueOffset: @escaping (_ record: Int64) -> Int64?
        ) {
            self.queue = queue
            self.now = now
            self.storedAt = storedAt
            self.queueOffset = queueOffset
        }
    }

    /// Opens the timer's files under `root`, which need not be there, and repairs what a crash left or what is missing.
    package static func open(
        root: String, logFileByteCount: Int, times: TimerTimes, _ around: Surroundings, log logger: Log
    ) throws(TimerOpenError) -> TimerStore {
        let layout = TimerLogLayout(fileByteCount: logFileByteCount)
        let store = try TimerStore(root: root, layout: layout, times: times, logger: logger)
        do throws(SystemError) {
            try store.recover(root, around, logger)
        } catch {
            throw .system(error)
        }
        store.queueOffset = min(max(store.queueOffset, around.queue.lowerBound), around.queue.upperBound)
        return store
    }

    private func recover(_ root: String, _ around: Surroundings, _ logger: Log) throws(SystemError) {
        let found = try TimerCheckpoint.read(TimerCheckpoint.path(in: root))
        let hasWheel = try wheel.open()
        try openCheckpoint()
        // One that was made and never written knows nothing, either.
        guard let (values, isSealed) = found, values.readTime != 0 else {
            let isFresh = log.isEmpty && !hasWheel && around.queue.upperBound == 0
            return try startOver(readTime: firstHand(around), until: 0, around, isFresh ? nil : logger)
        }
        checkpoint = values
        readTime = times.floor(values.readTime)
        queueOffset = values.queueOffset
        guard values.logEnd == 0 || log.reaches(values.logEnd) else {
            return try startOver(readTime: readTime, until: values.queueOffset, around, logger)
        }
        // RocketMQ tells of less of the log than belongs to its queue offset.
        if !isSealed, let record = try unit(behind: values.logEnd)?.record {
            queueOffset = min(queueOffset, around.queueOffset(record) ?? around.queue.lowerBound)
        }
        if !log.isEmpty { try log.truncate(to: values.logEnd) }
        let look = try wheel.look(from: readTime)
        if look.live.contains(where: { $0.slot.first < log.start }) {  // its oldest files were taken away
            try startOver(readTime: readTime, until: values.queueOffset, around, logger)
        } else if isSealed, hasWheel, !look.isDamaged, try isSound(look) {
            try restrict(look)
        } else if !log.isEmpty {
            if isSealed { logger.warn("the timer's wheel is missing or damaged; it is built again from its log", [:]) }
            try rebuildWheel()
        }
    }

    /// Where the hand begins if nothing says where it stood: before the slots of everything that is still to be read. From there
    /// a message is put into its slot, and a recall that was stored behind it finds it there.
    private func firstHand(_ around: Surroundings) -> Int64 {
        guard let stored = around.storedAt(around.queue.lowerBound), stored < around.now else {
            return times.floor(around.now)
        }
        return max(times.precision, times.floor(stored) - 2 * times.precision)
    }

    private func unit(behind end: Int64) throws(SystemError) -> TimerUnit? {
        try log.unit(at: log.layout.place(at: end))
    }

    /// Builds everything again from the queue.
    /// - Parameter until: messages of the queue before it were put in once.
    private func startOver(
        readTime: Int64, until: Int64, _ around: Surroundings, _ logger: Log?
    ) throws(SystemError) {
        logger?.warn(
            "the timer's files are missing or damaged; they are built again from the log",
            ["queueOffset": String(around.queue.lowerBound), "end": String(around.queue.upperBound)])
        checkpoint.readTime = readTime
        checkpoint.queueOffset = until
        try disownFiles(replayFrom: around.queue.lowerBound)
        try log.removeAll()
        try wheel.removeAll()
        self.readTime = readTime
        queueOffset = around.queue.lowerBound
        replay = until > 0 ? (until, readTime) : nil
    }

    /// Whether the wheel's slots end in units of theirs, as far as the log reaches.
    private func isSound(_ look: TimerWheel.Look) throws(SystemError) -> Bool {
        for (time, slot) in look.live where slot.last < log.end {
            guard let unit = try log.unit(at: slot.last), times.floor(unit.slotTime) == time else { return false }
        }
        return true
    }

    /// A crash may leave slots that know of units behind the log's end: they go back to what the log has.
    private func restrict(_ look: TimerWheel.Look) throws(SystemError) {
        let ahead = look.live.filter { $0.slot.last >= log.end }
        var slots = look.live.filter { $0.slot.last < log.end }
        var changed: [Int64: TimerSlot?] = [:]
        for (time, _) in ahead { changed[time] = .some(nil) }
        if let first = ahead.map(\.slot.first).min(), first < log.end {
            let times = self.times
            try log.forEachUnit(from: log.layout.isPlace(first) ? first : log.start) { position, unit in
                let time = times.floor(unit.slotTime)
                guard let known = changed[time] else { return }
                changed[time] = Self.slot(known, adding: unit, at: position, time / times.precision)
            }
        }
        try wheel.put(changed)
        for (time, slot) in changed { if let slot { slots.append((time, slot)) } }
        wheel.occupy(slots)
    }

    private static func slot(
        _ slot: TimerSlot?, adding unit: TimerUnit, at position: Int64, _ number: Int64
    ) -> TimerSlot {
        let isDelete = unit.kind.contains(.delete)
        guard var slot else { return TimerSlot(number: number, unit: position, count: isDelete ? -1 : 1) }
        slot.add(position, isDelete: isDelete)
        return slot
    }

    /// Takes every unit of the log that waits for a slot from the hand on.
    private func rebuildWheel() throws(SystemError) {
        try wheel.removeAll()
        var slots: [Int64: TimerSlot?] = [:]
        let (times, hand) = (self.times, readTime)
        try log.forEachUnit(from: log.start) { position, unit in
            let time = times.floor(unit.slotTime)
            guard time >= hand, time < hand + times.turn else { return }
            slots[time] = Self.slot(slots[time] ?? nil, adding: unit, at: position, time / times.precision)
        }
        try wheel.put(slots)
        var live: [(time: Int64, slot: TimerSlot)] = []
        for (time, slot) in slots { if let slot { live.append((time, slot)) } }
        wheel.occupy(live)
    }
}

extension TimerTimes {
    /// Clocks and a queue that is read late: a message that was put in again so long ago has surely been.
    private static let rollSlack: Int64 = 3_600_000

    /// Whether a message that was stored at `storedAt` had been delivered, or put in again for a longer way, when the hand stood
    /// at `hand`.
    func wasHandled(out: Int64, storedAt: Int64, before hand: Int64) -> Bool {
        let (slot, rolls) = place(out: out, now: storedAt)
        return rolls ? slot + Self.rollSlack < hand : floor(out) < hand
    }
}
