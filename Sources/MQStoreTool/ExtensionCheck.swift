import MQBytes
import MQStore
import MQSystem

/// Holds the extension units of queues (`consumequeue_ext`) against the log: where a queue's unit points to one, it must be
/// there and say what the record says. What no unit points to is not looked at: a topic that was made again leaves such.
final class ExtensionCheck {
    private static let folder = "consumequeue_ext"
    /// Bytes read at once: units that follow one another are taken from them.
    private static let windowByteCount = 4096

    /// One queue's extension.
    private final class Cursor {
        let name: String
        let files: [StoreFile]
        var window = ByteBuffer()
        var windowStart: Int64 = 0

        init(_ name: String, _ files: [StoreFile]) {
            self.name = name
            self.files = files
        }
    }

    /// What is wrong with a place.
    struct Flaw {
        let kind: FindingKind
        let path: String
        let position: Int64?
        let text: String
    }

    private var queues: [String: [Int: Cursor]] = [:]

    /// Finds the files; names and lengths that cannot be are reported.
    init(_ folder: StoreFolder, _ report: FindingReport, wasKilled: Bool) throws(ToolError) {
        let found = try QueueFolder.places(below: folder.root + "/" + Self.folder, label: Self.folder, report)
        let wanted = folder.settings.extensionFileByteCount ?? StoreFolder.commonSize(found.flatMap(\.files))
        for place in found {
            for file in place.files {
                guard let wanted, file.byteCount != wanted || file.start % Int64(wanted) != 0 else { continue }
                report.add(
                    .extensionFileLength, wasKilled && file.byteCount == 0 ? .recovery : .error, file.name,
                    "has \(file.byteCount) bytes; every file of an extension has \(wanted), and its name is a multiple of "
                        + "that: a broker that writes extensions does not start")
            }
            queues[place.topic, default: [:]][place.queueID] = Cursor(place.name, place.files)
        }
    }

    /// Compares the extension unit at `address` with what the record says.
    /// - Returns: what is wrong; `nil` if nothing is.
    func check(
        _ topic: String, _ queueID: Int, at address: Int64, tagsCode: Int64, storedAt: Int64
    ) throws(SystemError) -> Flaw? {
        let position = ExtensionAddress.position(address)
        guard let cursor = queues[topic]?[queueID] else {
            return missing("\(Self.folder)/\(topic)/\(queueID)", nil, "the queue has no extension")
        }
        guard position >= 0, let file = cursor.files.last(where: { $0.start <= position }), position < file.end else {
            return missing(cursor.name, nil, "no file of \(cursor.name) has byte \(position)")
        }
        let at = position - file.start
        guard let unit = try unit(at: position, in: file, cursor) else {
            return missing(file.name, at, "no extension unit is at \(position) of \(cursor.name)")
        }
        guard unit.tagsCode != tagsCode || unit.storedAt != storedAt else { return nil }
        return Flaw(
            kind: .extensionWrongUnit, path: file.name, position: at,
            text: unit.tagsCode != tagsCode
                ? "the extension unit's tags code is \(unit.tagsCode), the record's is \(tagsCode): tag filters pass over "
                    + "it or let it through"
                : "the extension unit's store time is \(unit.storedAt), the record's is \(storedAt)")
    }

    private func missing(_ path: String, _ position: Int64?, _ why: String) -> Flaw {
        Flaw(kind: .extensionMissingUnit, path: path, position: position, text: "\(why): tag filters let it through")
    }

    /// The head of the unit at `position`, if all of it fits into its file.
    private func unit(
        at position: Int64, in file: StoreFile, _ cursor: Cursor
    ) throws(SystemError) -> (tagsCode: Int64, storedAt: Int64)? {
        let isKnown =
            position >= cursor.windowStart
            && position - cursor.windowStart <= Int64(cursor.window.count - ExtensionUnit.byteCountMin)
        if !isKnown {
            cursor.window.removeAll()
            cursor.windowStart = position
            let count = Int(min(Int64(Self.windowByteCount), file.end - position))
            try File(file.path, .read).read(count, at: Int(position - file.start), into: &cursor.window)
        }
        let at = Int(position - cursor.windowStart)
        return cursor.window.withBytes(0..<cursor.window.count) { bytes in
            guard let size = ExtensionUnit.byteCount(bytes, at: at), position + Int64(size) <= file.end else {
                return nil
            }
            return (bytes.int64(at: at + 2), bytes.int64(at: at + 10))
        }
    }
}
