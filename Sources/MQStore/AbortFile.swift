import MQBytes
import MQSystem

/// `abort`: there while the store is open, so that the next start knows of a crash. Java writes the process's number; a
/// second line here names the boot of the machine: what a killed process wrote is still in the page cache of the same one.
enum AbortFile {
    private static let bootPath = "/proc/sys/kernel/random/boot_id"

    /// Makes the file, durably: without it a crash of the machine would look like a clean stop.
    static func write(_ path: String, in root: String) throws(SystemError) {
        let file = try File(path, .replace)
        try file.write(Array("\(ThisProcess.id)\n\(bootID)\n".utf8).span, at: 0)
        try file.synchronizeData()
        try Directory.synchronize(root)
    }

    /// Whether the process that left the file ran since the machine was started.
    static func isOfThisBoot(_ path: String) -> Bool {
        let lines = text(path).split(separator: "\n")
        return lines.count == 2 && lines[1] == bootID
    }

    /// The kernel's name of this boot; never empty, so that two unknown boots are not the same.
    private static var bootID: String {
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
