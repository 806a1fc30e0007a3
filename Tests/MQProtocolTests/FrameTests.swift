import Foundation
import MQBytes
import MQJSON
import MQTestKit
import Testing

@testable import MQProtocol

/// Goal: what Java and C++ peers sent is understood, and what we send is understood the same way.
@Suite struct FrameTests {
    @Test(arguments: Golden.versions)
    func `recorded frames survive both header forms`(version: String) throws {
        var binary = 0
        for line in try Golden.frames(version: version) {
            let command = try RemotingCommand(frame: line.bytes.span)
            #expect(command.code == Int32(line.code), "\(line.name)")
            #expect(command.isResponse == (line.kind == "response"), "\(line.name)")
            if line.bytes[4] == 1 { binary += 1 }
            #expect(try RemotingCommand(frame: command.frame(as: .json).span) == command, "\(line.name)")
            guard command.code <= Int32(Int16.max) else { continue }  // pop codes do not fit a binary header
            let again = try RemotingCommand(frame: command.frame(as: .rocketMQ).span)
            var wanted = command
            if wanted.remark?.isEmpty == true { wanted.remark = nil }
            #expect(again == wanted, "\(line.name)")
        }
        #expect(binary > 0)
    }

    /// The scanner against an independent reader of JSON.
    @Test(arguments: Golden.versions)
    func `recorded JSON headers read as Foundation reads them`(version: String) throws {
        for line in try Golden.frames(version: version) where line.bytes[4] == 0 {
            let frame = try #require(try RemotingFrame.decode(line.bytes.span, at: 0))
            let object = try JSONSerialization.jsonObject(with: Data(line.bytes[frame.header])) as? [String: Any]
            let wanted = try #require(object)
            let command = try RemotingCommand(frame: line.bytes.span)
            #expect(command.code == (wanted["code"] as? NSNumber)?.int32Value, "\(line.name)")
            #expect(command.opaque == (wanted["opaque"] as? NSNumber)?.int32Value, "\(line.name)")
            #expect(command.flag == (wanted["flag"] as? NSNumber)?.int32Value, "\(line.name)")
            #expect(command.version == (wanted["version"] as? NSNumber)?.int32Value, "\(line.name)")
            #expect(command.remark == wanted["remark"] as? String, "\(line.name)")
            let fields = wanted["extFields"] as? [String: Any] ?? [:]
            #expect(command.fields.count == fields.count, "\(line.name)")
            for (name, value) in fields { #expect(command[name] == "\(value)", "\(line.name) \(name)") }
            #expect(command.body.count == line.bytes.count - frame.header.upperBound)
        }
    }

    @Test
    func `a frame cut at any byte is waited for, never misread`() throws {
        var seen = Set<Int>()
        for line in try Golden.frames(version: "5.3.3") where seen.insert(line.code).inserted && line.bytes.count < 4000
        {
            for count in 0..<line.bytes.count {
                let cut = Array(line.bytes[..<count])
                #expect(try RemotingFrame.decode(cut.span, at: 0) == nil, "\(line.name) cut at \(count)")
            }
        }
    }

    @Test
    func `a header cut at any byte is refused or a shorter header, never a trap`() throws {
        for line in try Golden.frames(version: "4.9.8") where line.bytes.count < 3000 {
            let frame = try #require(try RemotingFrame.decode(line.bytes.span, at: 0))
            for end in frame.header.lowerBound..<frame.header.upperBound {
                let cut = Wire.frame(type: line.bytes[4], header: Array(line.bytes[8..<end]))
                _ = try? RemotingCommand(frame: cut.span)
            }
        }
    }

    @Test func `frames that follow each other are found in turn`() throws {
        let first = RemotingCommand(.heartBeat, ["a": "1"], body: [1, 2, 3])
        let second = RemotingCommand(.success, remark: "fine")
        let bytes = [7, 7, 7] + first.frame() + second.frame(as: .rocketMQ)
        let one = try #require(try RemotingFrame.decode(bytes.span, at: 3))
        let two = try #require(try RemotingFrame.decode(bytes.span, at: one.byteCount))
        var header = RemotingHeader()
        try header.decode(one, in: bytes.span)
        #expect(RemotingCommand(header, one, in: bytes.span) == first)
        try header.decode(two, in: bytes.span)
        #expect(RemotingCommand(header, two, in: bytes.span) == second)
        #expect(two.byteCount == bytes.count)
    }

    @Test func `lengths that lie are refused before the bytes are there`() throws {
        let cases: [(String, [UInt8])] = [
            ("no room for the header's length", [0, 0, 0, 3]), ("nothing", [0, 0, 0, 0]),
            ("negative", [255, 255, 255, 255]),
            ("over 16 MiB", [1, 0, 0, 1]), ("a TLS handshake", [0x16, 3, 1, 2]),
            ("header longer than the frame", [0, 0, 0, 8, 0, 0, 0, 5]),
            ("header over 1 MiB", [0, 0xFF, 0, 0, 0, 0x10, 0, 1]),
        ]
        for (name, bytes) in cases {
            #expect(throws: WireError.self, "\(name)") { _ = try RemotingFrame.decode(bytes.span, at: 0) }
        }
        let largest: [UInt8] = [1, 0, 0, 0, 0, 0, 0, 0]
        #expect(try RemotingFrame.decode(largest.span, at: 0) == nil)
    }

    @Test(arguments: [UInt8(2), 7, 128, 255])
    func `an unknown serialize type is refused`(type: UInt8) {
        #expect(throws: WireError.unknown("serialize type", Int(type))) {
            _ = try RemotingCommand(frame: Wire.frame(type: type, header: Array("{}".utf8)).span)
        }
    }
}

/// Frames that no encoder would write.
enum Wire {
    static func frame(type: UInt8 = 0, header: [UInt8], body: [UInt8] = []) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.append(bigEndian: Int32(4 + header.count + body.count))
        buffer.append(bigEndian: UInt32(type) << 24 | UInt32(header.count))
        buffer.append(header)
        buffer.append(body)
        return buffer.toArray()
    }

    static func frame(_ header: String, body: [UInt8] = []) -> [UInt8] { frame(header: Array(header.utf8), body: body) }
}
