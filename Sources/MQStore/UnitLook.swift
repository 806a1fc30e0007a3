import MQBase
import MQBytes
import MQSystem

/// Picks the units of a queue that a read brings, up to its limits. Which file of the log holds a record is told from
/// outside, once a file: this is the loop that runs for every message a consumer gets.
struct UnitLook {
    private let limits: ReadLimits
    /// Records before this offset have the limits for what is on the disk.
    private let hotFrom: Int64
    /// Each record becomes a run of its own, though they lie side by side: they are looked at one by one.
    private let keepsApart: Bool
    private(set) var nextOffset: Int64
    /// Units looked at.
    private(set) var scanned = 0
    private(set) var messageCount = 0
    private(set) var byteCount = 0
    /// Where the first of the records in the log begins.
    private(set) var lowest = Int64.max
    /// The next message is over the limits.
    private(set) var isFull = false
    /// What ``take(_:from:to:into:_:)`` stopped for.
    private(set) var wants = Wants.nothing

    /// What must be told from outside before it goes on.
    enum Wants {
        case nothing
        /// The file of the record that begins there: ``enter(_:_:for:_:)``.
        case file(PhysicalOffset)
        /// Whether the message is wanted, because its tags do not lie in its unit or its reader looks at records:
        /// ``decide(_:)``.
        case decision
    }

    private var decision: Bool?
    /// A unit alone does not tell whether its message is wanted.
    private let looksAtRecords: Bool

    private var mapping: Mapping?
    /// What offsets `mapping` holds, or holds none of: empty before the first file.
    private var file: Range<Int64> = 0..<0
    /// `file` is a place where no file is: its records are gone.
    private var isGone = false
    /// Bytes of the file that were taken last, and are not in a run yet.
    private var run = 0..<0

    init(limits: ReadLimits, hotFrom: Int64, keepsApart: Bool, nextOffset: Int64, looksAtRecords: Bool = false) {
        self.looksAtRecords = looksAtRecords
        self.limits = limits
        self.hotFrom = hotFrom
        self.keepsApart = keepsApart
        self.nextOffset = nextOffset
    }

    /// Takes units of `span`, from unit number `first` on.
    /// - Parameter matches: whether a message with this tags code is wanted; `nil` wants all.
    /// - Returns: how far it came: `end`, or fewer when it is full or does not know a record's file.
    mutating func take(
        _ span: Span<UInt8>, from first: Int, to end: Int, into ranges: inout LogRanges,
        _ matches: ((Int64) -> Bool)?
    ) -> Int {
        var look = self  // kept in registers: what is reached through a pointer is stored for each unit
        defer { self = look }
        look.wants = .nothing
        for index in first..<end {
            let unit = QueueUnit(span, at: index &* QueueUnit.byteCount)
            var isWanted = unit.size > 0 && unit.size != QueueUnit.preBlankSize
            if isWanted, look.looksAtRecords {
                guard let decision = look.decision else {
                    look.wants = .decision
                    return index
                }
                isWanted = decision
            } else if isWanted, let matches {
                if unit.hasExtension {
                    guard let decision = look.decision else {
                        look.wants = .decision
                        return index
                    }
                    isWanted = decision
                } else {
                    isWanted = matches(unit.tagsCode)
                }
            }
            if isWanted {
                guard look.hasRoom(for: unit) else {
                    look.isFull = true
                    return index
                }
                let offset = min(max(0, unit.physicalOffset), .max - 1)
                guard look.file.contains(offset) else {
                    look.wants = .file(PhysicalOffset(rawValue: offset))
                    return index
                }
                if !look.isGone { look.add(unit, &ranges) }
            }
            look.decision = nil
            look.scanned &+= 1
            look.nextOffset &+= 1
        }
        return end
    }

    /// Whether one more message fits; the first one always does. Source: `DefaultMessageStore.java` `isTheBatchFull`,
    /// RocketMQ 5.3.
    private func hasRoom(for unit: QueueUnit) -> Bool {
        if messageCount == 0 { return true }
        let sum = byteCount &+ Int(unit.size)
        if sum > limits.byteCount || messageCount >= limits.messageCount { return false }
        return unit.physicalOffset >= hotFrom
            || sum <= limits.coldByteCount && messageCount < limits.coldMessageCount
    }

    /// - Returns: `false` for a unit that lies about its record.
    @discardableResult
    private mutating func add(_ unit: QueueUnit, _ ranges: inout LogRanges) -> Bool {
        let start = Int(unit.physicalOffset &- file.lowerBound)
        let size = Int(unit.size)
        guard start >= 0, size <= file.count &- start else { return false }  // a unit that lies: never past the mapping
        byteCount &+= size
        messageCount &+= 1
        lowest = min(lowest, unit.physicalOffset)
        if start == run.upperBound, !run.isEmpty, !keepsApart {
            run = run.lowerBound..<start &+ size
        } else {
            if !run.isEmpty { ranges.add(run) }
            run = start..<start &+ size
        }
        return true
    }

    /// Takes one unit of a queue of batches, or says what it wants first; one that can be none is passed over.
    /// - Parameter end: the queue's end: units that came since then are left to the next read.
    mutating func take(
        _ batch: BatchUnit, below end: Int64, into ranges: inout LogRanges, _ matches: ((Int64) -> Bool)?
    ) {
        wants = .nothing
        guard batch.isUsed, batch.endOffset > nextOffset else {
            scanned += 1
            return
        }
        guard batch.baseOffset < end else { return isFull = true }
        var isWanted = matches?(batch.unit.tagsCode) ?? true
        if looksAtRecords {
            guard let decision else { return wants = .decision }
            isWanted = decision
        }
        if isWanted {
            guard messageCount == 0 || messageCount + Int(batch.messageCount) <= limits.messageCount,
                hasRoom(for: batch.unit)
            else { return isFull = true }
            guard file.contains(batch.unit.physicalOffset) else {
                wants = .file(PhysicalOffset(rawValue: batch.unit.physicalOffset))
                return
            }
            if !isGone, add(batch.unit, &ranges) { messageCount += Int(batch.messageCount) - 1 }
        }
        decision = nil
        scanned += 1
        nextOffset = batch.endOffset
    }

    /// Whether the message it stopped at is wanted.
    mutating func decide(_ isWanted: Bool) { decision = isWanted }

    /// The record at `place` lies in `segment`.
    /// - Parameter mapping: the file's bytes; `nil`: they are gone.
    mutating func enter(_ segment: Segment?, _ mapping: Mapping?, for place: PhysicalOffset, _ ranges: inout LogRanges)
    {
        end(&ranges)
        self.mapping = mapping
        isGone = mapping == nil
        file = segment.map { $0.start.rawValue..<$0.end.rawValue } ?? place.rawValue..<place.rawValue + 1
    }

    /// Hands out what was taken last.
    mutating func end(_ ranges: inout LogRanges) {
        if !run.isEmpty { ranges.add(run) }
        run = 0..<0
        if let mapping { ranges.endFile(mapping, at: file.lowerBound) }
    }
}
