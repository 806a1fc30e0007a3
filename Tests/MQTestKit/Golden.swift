public import Foundation

/// What Java RocketMQ really wrote and said: Tests/Golden, whose README.md says how it was recorded.
public enum Golden {
    /// The versions of Java RocketMQ that were recorded.
    public static let versions = ["4.9.8", "5.3.3"]

    /// Tests/Golden of this checkout.
    public static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Golden")

    /// One remoting frame.
    public struct Frame: Sendable {
        public let name: String
        /// The processes it went between: `name server`, `broker`, `c++ client`, …
        public let from: String
        public let to: String
        /// `request`, `response` or `oneway`.
        public let kind: String
        /// Request code or response code.
        public let code: Int
        /// Of a response: the code of the request it answers.
        public let requestCode: Int?
        /// What a request and its response share.
        public let pair: Int?
        /// All bytes, from the length on.
        public let bytes: [UInt8]

        /// What follows the header of a remoting frame.
        public var body: [UInt8] {
            Array(bytes[(8 + (Int(bytes[5]) << 16 | Int(bytes[6]) << 8 | Int(bytes[7])))...])
        }

        /// The code of the request: its own, or of the one it answers.
        public var askedCode: Int { kind == "response" ? requestCode ?? code : code }
    }

    private struct Line: Decodable {
        let name: String
        let from: String
        let to: String
        let kind: String?
        let code: Int?
        let requestCode: Int?
        let pair: Int?
        let hex: String
    }

    /// Every remoting frame, in order; pieces of the stream between master and slave are left out.
    public static func frames(version: String) throws -> [Frame] {
        let text = try Data(contentsOf: folder.appending(path: "frames-\(version).jsonl"))
        let decoder = JSONDecoder()
        return try text.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let line = try decoder.decode(Line.self, from: line)
            guard let code = line.code, let kind = line.kind else { return nil }
            return Frame(
                name: line.name, from: line.from, to: line.to, kind: kind, code: code,
                requestCode: line.requestCode, pair: line.pair, bytes: bytes(ofHex: line.hex))
        }
    }

    /// The manifest of a recorded store: what a correct reader must show.
    /// - Parameter state: `clean` or `crashed`.
    public static func manifest(version: String, state: String) throws -> Data {
        try Data(contentsOf: folder.appending(path: "store-\(version)-\(state).json"))
    }

    /// Unpacks a recorded store into `target`, which need not exist, and returns its root.
    /// - Parameter part: only what lies under this path, for example `config`.
    public static func unpackStore(
        version: String, state: String, part: String? = nil, into target: URL
    ) throws -> URL {
        try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
        let archive = folder.appending(path: "store-\(version)-\(state).tar.gz")
        let tar = Process()
        tar.executableURL = URL(filePath: "/usr/bin/env")
        tar.arguments =
            ["tar", "--no-same-owner", "-C", target.path, "-xzSf", archive.path]
            + (part.map { ["store/\($0)"] } ?? [])
        try tar.run()
        tar.waitUntilExit()
        guard tar.terminationReason == .exit, tar.terminationStatus == 0 else {
            throw CocoaError(.fileReadCorruptFile, userInfo: [NSFilePathErrorKey: archive.path])
        }
        return target.appending(path: "store")
    }

    /// The bytes that an even number of hexadecimal digits stands for.
    public static func bytes(ofHex hex: String) -> [UInt8] {
        let digits = hex.utf8.map { $0 <= 0x39 ? $0 - 0x30 : ($0 | 0x20) - 0x61 + 10 }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
