import MQCompression
import Testing

/// Goal: what Java deflates is read, what we deflate is right, and no stream costs more than the caller allows.
@Suite struct ZlibTests {
    private func inflate(_ bytes: [UInt8], max: Int = 1 << 20) throws(CompressionError) -> [UInt8] {
        try Zlib.inflate(bytes.span, outputMax: max)
    }

    private func deflate(_ bytes: [UInt8], level: Int = 5) throws -> [UInt8] {
        try Zlib.deflate(bytes.span, level: level)
    }

    private func noise(_ byteCount: Int, seed: UInt64) -> [UInt8] {
        var state = seed
        return (0..<byteCount).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }

    @Test(arguments: [0, 1, 5, 9], [0, 1, 100, 32 << 10, 100_000])
    func `what is deflated inflates to the same`(level: Int, byteCount: Int) throws {
        let text = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 / 7) }
        #expect(try inflate(deflate(text, level: level)) == text)
        let noise = noise(byteCount, seed: UInt64(byteCount))
        #expect(try inflate(deflate(noise, level: level)) == noise)
    }

    @Test func `a known stream`() throws {
        // "hello" by java.util.zip.Deflater, default level.
        let stream: [UInt8] = [0x78, 0x9C, 0xCB, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x06, 0x2C, 0x02, 0x15]
        #expect(try inflate(stream) == Array("hello".utf8))
        #expect(try inflate(stream + [1, 2, 3]) == Array("hello".utf8))
    }

    @Test func `a bomb stops at the limit`() throws {
        let bomb = try deflate([UInt8](repeating: 0, count: 64 << 20), level: 9)
        #expect(bomb.count < 70_000)
        #expect(throws: CompressionError.tooLarge(max: 1 << 20)) { try inflate(bomb) }
        #expect(throws: CompressionError.tooLarge(max: 0)) { try inflate(deflate([1]), max: 0) }
        #expect(try inflate(deflate([1, 2]), max: 2) == [1, 2])
        #expect(try inflate(deflate([]), max: 0) == [])
    }

    @Test func `a stream cut at any byte is truncated`() throws {
        let stream = try deflate(Array("RocketMQ ".utf8) + noise(300, seed: 7))
        for count in 0..<stream.count {
            #expect(throws: CompressionError.truncated, "cut at \(count)") { try inflate(Array(stream[..<count])) }
        }
    }

    @Test func `what is no stream is corrupt`() throws {
        #expect(throws: CompressionError.corrupt) { try inflate(Array("{\"plain\":1}".utf8)) }
        var stream = try deflate(Array("hello hello hello".utf8))
        stream[stream.count - 1] ^= 1
        #expect(throws: CompressionError.corrupt) { try inflate(stream) }
        // A preset dictionary is asked for.
        #expect(throws: CompressionError.corrupt) { try inflate([0x78, 0xBB, 0, 0, 0, 1, 0, 0]) }
    }

    @Test func `changed bytes never trap`() throws {
        let stream = try deflate(noise(500, seed: 3) + [UInt8](repeating: 9, count: 5000))
        for position in stream.indices {
            for change: UInt8 in [0x01, 0x80, 0xFF] {
                var bytes = stream
                bytes[position] ^= change
                _ = try? inflate(bytes, max: 100_000)
            }
        }
    }
}
