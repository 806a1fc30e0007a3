import MQBytes
import MQSystem

/// `abort`: there while the store is open, so that the next start knows of a crash. Java writes the process's number; a
/// second line here names the boot of the machine: what a killed process wrote is still in the page cache of the same one. After
/// a failed sync a third says from where on the log may be in the page cache and not on the disk.
enum AbortFile {
    private static let bootPath = "/proc/sys/kernel/random/boot_id"

    /// Makes the file, durably: without it a crash of the machine would look like a clean stop. On a full disk it stays
    /// empty, which tells of the worst.
    static func write(_ path: String, in root: String) throws(SystemError) {
        let file = try File(path, .replace)
        do throws(SystemError) {
            try file.write(Array("\(ThisProcess.id)\n\(bootID)\n".utf8).span, at: 0)
        } catch {
            guard error.isNoSpace else { throw error }
            try file.truncate(to: 0)
        }
        try file.synchronizeData()
        try Directory.synchronize(root)
    }

    /// What the file tells.
    struct Content: Equatable {
        /// The boot of the machine; `nil` if RocketMQ wrote the file.
        let boot: String?
        /// Where the log began to be what no sync may be believed about.
        let unsyncedFrom: Int64?

        /// Whether the process that left the file ran since the machine was started.
        var isOfThisBoot: Bool { boot == bootID }
    }

    /// `nil` if there is no file: the last stop was a clean one.
    static func read(_ path: String) -> Content? {
        guard Directory.exists(path) else { return nil }
        let lines = text(path).split(separator: "\n")
        let isOurs = lines.count >= 2
        let unsynced = lines.count == 3 ? lines[2].split(separator: " ").last.flatMap { Int64($0) } : nil
        return Content(boot: isOurs ? String(lines[1]) : nil, unsyncedFrom: isOurs ? unsynced : nil)
    }

    /// Notes that syncs of the log from `offset` on cannot be believed; the first such note counts.
    static func addUnsynced(_ offset: Int64, to path: String) throws(SystemError) {
        guard let content = read(path), content.boot != nil, content.unsyncedFrom == nil else { return }
        let file = try File(path, .readWrite)
        let note = Array("unsynced \(offset)\n".utf8)
        try file.write(note.span, at: try file.byteCount())
        try file.synchronizeData()
    }

    /// The kernel's name of this boot; never empty, so that two unknown boots are not the same.
    static var bootID: String {
        let id = text(bootPath).prefix { $0 != "\n" }
        return id.isEmpty ? "unknown-\(ThisProcess.id)" : String(id)
    }

    private static func text(_ path: String) -> String {
        var bytes = ByteBuffer()
        do throws(SystemError) {
            try File(path, .read).read(256, at: 0, into: &bytes)
        } catch {
            return ""
        }
        return bytes.span.toString()
    }
}
