import MQCompression
import MQCrypto
import Testing

/// Goal: LZ4 and zstd frames of others are read, ours are right, and no frame costs more than the caller allows.
@Suite struct CodecTests {
    private func pack(_ codec: CompressionCodec, _ bytes: [UInt8], level: Int = 5) throws -> [UInt8] {
        try codec.compress(bytes.span, level: level)
    }

    private func expand(_ codec: CompressionCodec, _ bytes: [UInt8], max: Int) throws(CompressionError) -> [UInt8] {
        try codec.expand(bytes.span, outputMax: max)
    }

    private func noise(_ byteCount: Int) -> [UInt8] {
        var state = UInt64(byteCount)
        return (0..<byteCount).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }

    @Test(arguments: CompressionCodec.allCases, [0, 1, 100, 64 << 10, 300_000])
    func `what is compressed expands to the same`(codec: CompressionCodec, byteCount: Int) throws {
        let text = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 / 7) }
        for level in [-5, 0, 5, 99] {
            #expect(try expand(codec, pack(codec, text, level: level), max: byteCount) == text)
        }
        let noise = noise(byteCount)
        let packed = try pack(codec, noise)
        #expect(try expand(codec, packed + [1, 2, 3], max: byteCount) == noise)
    }

    @Test func `known frames`() throws {
        // "hello" by the lz4 and zstd commands.
        let lz4: [UInt8] = [
            0x04, 0x22, 0x4D, 0x18, 0x64, 0x40, 0xA7, 0x05, 0x00, 0x00, 0x80, 0x68, 0x65, 0x6C, 0x6C, 0x6F, 0x00, 0x00,
            0x00, 0x00, 0xF9, 0x77, 0x00, 0xFB,
        ]
        #expect(try expand(.lz4, lz4, max: 5) == Array("hello".utf8))
        let zstd: [UInt8] = [
            0x28, 0xB5, 0x2F, 0xFD, 0x04, 0x58, 0x29, 0x00, 0x00, 0x68, 0x65, 0x6C, 0x6C, 0x6F, 0xA3, 0x6D, 0x9F, 0x88,
        ]
        #expect(try expand(.zstd, zstd, max: 5) == Array("hello".utf8))
        var wide = zstd
        wide[5] = 0x90  // a window of 256 MiB
        #expect(throws: CompressionError.damaged(.zstd)) { try expand(.zstd, wide, max: 5) }
    }

    @Test(arguments: CompressionCodec.allCases)
    func `a bomb stops at the limit`(codec: CompressionCodec) throws {
        let bomb = try pack(codec, [UInt8](repeating: 0, count: 32 << 20), level: 9)
        #expect(bomb.count < 200_000)
        #expect(throws: CompressionError.self) { try expand(codec, bomb, max: 1 << 20) }
    }

    @Test(arguments: [CompressionCodec.lz4, .zstd])
    func `frames that are cut or changed are refused or harmless`(codec: CompressionCodec) throws {
        let frame = try pack(codec, Array("RocketMQ ".utf8) + noise(300))
        for count in 0..<frame.count {
            let cut = Array(frame[..<count])
            #expect(throws: CompressionError.truncated, "cut at \(count)") {
                try expand(codec, cut, max: 1000)
            }
            var changed = frame
            changed[count] ^= 0x5A
            _ = try? expand(codec, changed, max: 1000)  // no crash; LZ4 need not notice
        }
        #expect(throws: CompressionError.damaged(codec)) {
            try expand(codec, Array("{\"plain\":1}".utf8), max: 1000)
        }
    }

    @Test func `digests are the standard's`() {
        func hex(_ bytes: [UInt8]) -> String {
            bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        #expect(hex(Digest.md5(Array("".utf8).span)) == "d41d8cd98f00b204e9800998ecf8427e")
        #expect(hex(Digest.md5(Array("abc".utf8).span)) == "900150983cd24fb0d6963f7d28e17f72")
        let text = Array("The quick brown fox jumps over the lazy dog".utf8)
        #expect(
            hex(Digest.hmacSHA1(key: Array("key".utf8), text.span)) == "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9")
    }
}
