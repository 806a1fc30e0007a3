import Foundation
import MQJSON
import MQTestKit
import Testing

/// Seeds of a run; `MQ_SEED` repeats one.
enum Seeds {
    static let some: [UInt64] =
        ProcessInfo.processInfo.environment["MQ_SEED"].flatMap(UInt64.init).map { [$0] }
        ?? (0..<8).map { _ in UInt64.random(in: 0...UInt64.max) }
}

/// SplitMix64.
struct TestRandom: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

extension JSON {
    static func random(_ random: inout TestRandom, depth: Int) -> JSON {
        switch Int.random(in: 0..<(depth > 0 ? 8 : 6), using: &random) {
        case 0: return .null
        case 1: return .bool(.random(using: &random))
        case 2: return .integer(.random(in: .min ... .max, using: &random))
        case 3: return .number(Double(Int64.random(in: .min ... .max, using: &random)) / 1024)
        case 4, 5: return .string(text(&random))
        case 6:
            return .array((0..<Int.random(in: 0..<12, using: &random)).map { _ in .random(&random, depth: depth - 1) })
        default: return .object(object(&random, depth: depth))
        }
    }

    private static func object(_ random: inout TestRandom, depth: Int) -> JSONObject {
        var object = JSONObject()
        for _ in 0..<Int.random(in: 0..<14, using: &random) {
            let key: JSONKey
            switch Int.random(in: 0..<4, using: &random) {
            case 0: key = .integer(.random(in: -100...100, using: &random))
            case 1 where depth > 1: key = .object(self.object(&random, depth: depth - 1))
            default: key = .string(text(&random))
            }
            object.set(key, .random(&random, depth: depth - 1))
        }
        return object
    }

    private static func text(_ random: inout TestRandom) -> String {
        let scalars: [Unicode.Scalar] = [
            "a", "Z", "0", "\"", "\\", "\n", "\u{0}", "\u{7F}", "é", "中", "😀", "\u{2028}", "/", "'",
        ]
        var text = ""
        for _ in 0..<Int.random(in: 0..<20, using: &random) {
            text.unicodeScalars.append(scalars.randomElement(using: &random) ?? "a")
        }
        return text
    }
}

extension Golden {
    /// `config/*.json` of the clean store.
    static func configFiles(version: String) throws -> [(String, [UInt8])] {
        let folder = try TemporaryFolder()
        let config = try unpackStore(version: version, state: "clean", part: "config", into: folder.url)
            .appending(path: "config")
        return try FileManager.default.contentsOfDirectory(atPath: config.path).sorted()
            .filter { $0.hasSuffix(".json") }
            .map { ($0, Array(try Data(contentsOf: config.appending(path: $0)))) }
    }
}
