import MQBytes
import MQJSON
import MQProtocol
import MQSystem

/// Progress of a broadcasting consumer, in a file of this machine:
/// `~/.rocketmq_offsets/<client id>/<group>/offsets.json`, `{"offsetTable":{{queue}:offset}}`.
/// Source: `LocalFileOffsetStore.java`, 5.3.
final class LocalOffsets: Sendable {
    private let folder: String
    private let table = Lock<[MessageQueue: Int64]>([:])

    init(clientID: String, group: String, root: String = ThisProcess.home + "/.rocketmq_offsets") {
        folder = "\(root)/\(clientID)/\(group)"
        let read = Self.read(path)
        table.withLock { $0 = read }
    }

    private var path: String { folder + "/offsets.json" }

    func load(_ queue: MessageQueue) -> Int64? { table.withLock { $0[queue] } }

    /// Writes the offsets beside those of other queues; a disk that refuses costs repetition, not messages.
    func save(_ offsets: [MessageQueue: Int64]) {
        let all = table.withLock { table in
            table.merge(offsets) { $1 }
            return table
        }
        var object = JSONObject()
        for (queue, offset) in all.sorted(by: { $0.key < $1.key }) {
            if let key = queue.json.object { object.set(.object(key), JSON(offset)) }
        }
        let json: JSON = ["offsetTable": .object(object)]
        do throws(SystemError) {
            try Directory.create(folder)
            let fresh = path + ".tmp"
            let file = try File(fresh, .replace)
            try file.write(json.encoded(.pretty).span, at: 0)
            try Directory.rename(fresh, to: path)
        } catch {
            return
        }
    }

    private static func read(_ path: String) -> [MessageQueue: Int64] {
        guard Directory.exists(path), let file = try? File(path, .read),  // no file is no progress
            let bytes = try? file.readAll(limit: 16 << 20), let json = try? JSON(parsing: bytes)
        else { return [:] }
        var table: [MessageQueue: Int64] = [:]
        for member in json["offsetTable"].object ?? JSONObject() {
            guard let key = member.key.object, let offset = member.value.int64,
                let queue = try? MessageQueue(json: .object(key))
            else { continue }
            table[queue] = offset
        }
        return table
    }
}
