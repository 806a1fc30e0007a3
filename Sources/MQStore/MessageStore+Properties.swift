import MQBase
public import MQBytes
import MQMessage
public import MQSystem

/// Why a read stopped before its limits.
public enum ReadStop: Sendable {
    /// The next record may not be in memory, and the reader must not wait.
    case cold
    /// The reader has spent enough.
    case reader
}

/// What a reader that looks at properties says of a record.
public enum RecordChoice: Sendable {
    /// It is wanted.
    case take
    /// It is not.
    case leave
    /// Look no further: this record and those behind it are not decided.
    case stop(ReadStop)
}

extension MessageStore {
    /// As ``read(_:from:limits:units:matches:)``, but what is wanted is decided by the records' properties, which are
    /// read from the log: records of 4 MiB cost no more than their properties. A record whose lengths contradict each
    /// other counts as one without properties.
    ///
    /// The result's ``ReadResult/stop`` says if it ended early. Then ``ReadResult/nextOffset`` is the message it stopped
    /// before, and `status` is `found` or `noMatchedMessage`; with `cold` it may have moved nowhere: read again with
    /// `mayWait` on a thread that may.
    /// - Parameter mayWait: the calling thread may wait for the disk. Without, no record is touched that may not be in
    ///   memory.
    public func read(
        _ queue: ConsumeQueue, from offset: Int64, limits: ReadLimits, units: inout ByteBuffer, mayWait: Bool,
        choose: (Span<UInt8>) -> RecordChoice
    ) throws(SystemError) -> ReadResult {
        // An optional closure counts as one that escapes; it does not.
        try withoutActuallyEscaping(choose) { choose throws(SystemError) in
            try read(
                queue, from: offset, limits: limits, units: &units, matches: { _ in true },
                choose: { unit, segment, recent in
                    if let recent { return recent.withProperties(of: unit, in: segment, choose) }
                    if !mayWait { return .stop(.cold) }
                    // A file that cannot be mapped is like one that was deleted: there is no record to show.
                    guard let mapping = try? segment.mapping else { return .leave }
                    return mapping.withProperties(of: unit, in: segment, choose)
                })
        }
    }
}

extension Mapping {
    /// Lends the properties of the unit's record; it is left if the unit points past the file.
    fileprivate func withProperties(
        of unit: QueueUnit, in segment: Segment, _ body: (Span<UInt8>) -> RecordChoice
    ) -> RecordChoice {
        let start = Int(unit.physicalOffset - segment.start.rawValue)
        guard start >= 0, start + Int(unit.size) <= segment.byteCount else { return .leave }
        let record = bytes(start..<(start + Int(unit.size)))
        return body(record.extracting(RecordLayout.properties(in: record) ?? 0..<0))
    }
}
