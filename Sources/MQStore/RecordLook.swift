import MQBase
import MQBytes
import MQMessage
import MQSystem

/// What a reader that looks at properties says of a record.
public enum RecordChoice: Sendable {
    /// It is wanted.
    case take
    /// It is not.
    case leave
    /// Look no further: this record and those behind it are not decided.
    case stop
}

/// A reader that decides by what records hold, and not by their tags code.
public struct RecordLook {
    /// Whether a message may be wanted, from the bits that its extension unit holds and its store time in milliseconds;
    /// `nil` asks for each record. Asked only where the reader may wait for the disk.
    let mayWant: ((_ bitMap: Span<UInt8>, _ storeTimestamp: Int64) -> Bool)?
    /// What becomes of the message with these properties.
    let choose: (_ properties: Span<UInt8>) -> RecordChoice

    /// - Parameters:
    ///   - mayWant: passes over messages by their bits.
    ///   - choose: decides about the others.
    public init(
        mayWant: ((_ bitMap: Span<UInt8>, _ storeTimestamp: Int64) -> Bool)? = nil,
        choose: @escaping (_ properties: Span<UInt8>) -> RecordChoice
    ) {
        self.mayWant = mayWant
        self.choose = choose
    }
}

/// Finds records for a reader that looks at properties, and says when it would have to wait for one.
struct RecordFinder {
    /// Asked about with one call where records follow one another: a call for each costs 600 ns.
    private static let windowByteCount = 128 << 10

    private let access: ReadAccess
    private var segment: Segment?
    private var mapping: Mapping?
    /// Bytes of the mapping that were just seen to be in memory.
    private var resident = 0..<0

    init(_ access: ReadAccess) { self.access = access }

    /// What `look` says of the unit's record; `nil`: it may not be in memory, and the reader must not wait.
    mutating func choice(
        _ unit: QueueUnit, in log: CommitLog, _ look: RecordLook
    ) throws(SystemError) -> RecordChoice? {
        let place = PhysicalOffset(rawValue: min(max(0, unit.physicalOffset), .max - 1))
        if segment?.contains(place) != true {
            (segment, mapping, resident) = (log.segment(at: place), nil, 0..<0)
        }
        guard let segment else { return .leave }  // its file was deleted
        if mapping == nil {
            guard access.mayWait || segment.mappingIfOpen != nil else { return nil }
            do throws(SystemError) { mapping = try segment.mapping } catch {
                guard error.isNotFound else { throw error }
                return .leave
            }
        }
        guard let mapping else { return .leave }
        let start = place - segment.start
        let size = Int(unit.size)
        guard size <= segment.byteCount - start else { return .leave }  // a unit that lies: never past the mapping
        if !access.mayWait, place.rawValue < access.knownFrom, !isResident(start..<start + size, mapping) { return nil }
        let record = mapping.bytes(start..<start + size)
        // A record whose lengths contradict each other counts as one without properties.
        return look.choose(record.extracting(RecordLayout.properties(in: record) ?? 0..<0))
    }

    private mutating func isResident(_ record: Range<Int>, _ mapping: Mapping) -> Bool {
        if resident.lowerBound <= record.lowerBound, record.upperBound <= resident.upperBound { return true }
        let end = min(mapping.byteCount, max(record.upperBound, record.lowerBound + Self.windowByteCount))
        for range in [record.lowerBound..<end, record] where mapping.isInMemory([range]) {
            resident = range
            return true
        }
        return false
    }
}
