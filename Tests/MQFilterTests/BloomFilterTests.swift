import MQBytes
import Testing

@testable import MQFilter

/// Goal: bit maps mean what Java's mean. Numbers from a recorded `consumerFilter.json` of RocketMQ 4.9.8, hashes from the
/// published test vectors of MurmurHash3 x64 128.
@Suite struct BloomFilterTests {
    private func isHit(_ positions: [Int], in bitMap: [UInt8]) -> Bool {
        BloomFilter.isHit(positions, in: bitMap.span)
    }

    @Test func `hashes are those of MurmurHash3`() {
        let known: [(String, UInt64)] = [
            ("", 0), ("hello", 0xCBD8_A7B3_41BD_9B02), ("hello, world", 0x342F_AC62_3A5E_BC8E),
            ("19 Jan 2038 at 3:14:07 AM", 0xB89E_5988_B737_AFFC),
            ("The quick brown fox jumps over the lazy dog.", 0xCD99_481F_9EE9_02C9),
        ]
        for (text, hash) in known {
            let found = murmur3(Array(text.utf8).span)
            #expect(found == hash, "\(text)")
        }
    }

    @Test func `bits are those that Java chose`() {
        let bloom = BloomFilter(errorPercent: 20, groupCount: 32)
        #expect(bloom.bitCount == 112 && bloom.hashCount == 3)
        #expect(bloom.positions(of: "gold_group_sql", topic: "gold_filter") == [89, 15, 53])
    }

    @Test func `a bit map hits those who are in it, and few others`() {
        let bloom = BloomFilter(errorPercent: 20, groupCount: 32)
        var bitMap = [UInt8](repeating: 0, count: bloom.bitCount / 8)
        #expect(!isHit(bloom.positions(of: "g0", topic: "t"), in: bitMap))
        for group in 0..<32 { BloomFilter.set(bloom.positions(of: "g\(group)", topic: "t"), in: &bitMap) }
        for group in 0..<32 { #expect(isHit(bloom.positions(of: "g\(group)", topic: "t"), in: bitMap)) }
        let wrong = (0..<1000).filter { isHit(bloom.positions(of: "h\($0)", topic: "t"), in: bitMap) }
        #expect(wrong.count < 350, "\(wrong.count)")
        #expect(!isHit([8], in: [255]), "a bit that is not there is not set")
    }

    @Test(arguments: [1, 5, 20, 50, 99], [1, 32, 1000])
    func `every allowed parameter makes whole bytes`(error: Int, groups: Int) {
        let bloom = BloomFilter(errorPercent: error, groupCount: groups)
        #expect(bloom.bitCount >= 8 && bloom.bitCount % 8 == 0 && bloom.hashCount >= 1)
        for position in bloom.positions(of: "g", topic: "t") { #expect((0..<bloom.bitCount).contains(position)) }
    }
}
