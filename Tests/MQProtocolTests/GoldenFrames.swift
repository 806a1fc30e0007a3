import Foundation
import MQJSON

/// Frames recorded between Java processes: `MQ_GOLDEN`, `Tests/Golden`, or `shared/golden` beside the checkout.
enum GoldenFrames {
    struct Line: Sendable {
        let name: String
        let from: String
        /// `nil` for pieces of the replication stream, which are no frames.
        let kind: String?
        let code: Int?
        let bytes: [UInt8]
    }

    static let versions = ["4.9.8", "5.3.3"]

    static let folder: URL? = {
        var candidates: [URL] = []
        if let path = ProcessInfo.processInfo.environment["MQ_GOLDEN"] { candidates.append(URL(fileURLWithPath: path)) }
        var folder = URL(fileURLWithPath: #filePath)
        while folder.path != "/" {
            folder.deleteLastPathComponent()
            candidates.append(folder.appendingPathComponent("Golden"))
            candidates.append(folder.appendingPathComponent("shared/golden"))
        }
        return candidates.first { FileManager.default.fileExists(atPath: $0.appendingPathComponent(file("5.3.3")).path) }
    }()

    static var arePresent: Bool { folder != nil }

    static func lines(_ version: String) throws -> [Line] {
        guard let folder else { return [] }
        let text = try String(contentsOf: folder.appendingPathComponent(file(version)), encoding: .utf8)
        return try text.split(separator: "\n").map { line in
            let json = try JSON(parsing: String(line))
            return Line(
                name: json["name"].string ?? "", from: json["from"].string ?? "", kind: json["kind"].string,
                code: json["code"].int, bytes: bytes(ofHex: json["hex"].string ?? ""))
        }
    }

    /// Remoting frames only.
    static func frames(_ version: String) throws -> [Line] { try lines(version).filter { $0.kind != nil } }

    static func bytes(ofHex hex: String) -> [UInt8] {
        let digits = hex.utf8.map { $0 <= 0x39 ? $0 - 0x30 : ($0 | 0x20) - 0x61 + 10 }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    private static func file(_ version: String) -> String { "frames-\(version).jsonl" }
}
