/// The first half of MurmurHash3 x64 128 with seed 0: what Guava's `murmur3_128().hashString(_, UTF_8).asLong()` gives.
/// RocketMQ's bloom filters of SQL92 subscriptions are made with it, and lie on the disk.
public func murmur3(_ bytes: Span<UInt8>) -> UInt64 {
    let (factor1, factor2): (UInt64, UInt64) = (0x87C3_7B91_1142_53D5, 0x4CF5_AD43_2745_937F)
    var (hash1, hash2): (UInt64, UInt64) = (0, 0)
    func word(_ start: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<min(8, max(0, bytes.count - start)) {
            value |= UInt64(bytes[start + index]) << UInt64(index * 8)
        }
        return value
    }
    func mix1(_ key: UInt64) -> UInt64 { (key &* factor1).rotated(31) &* factor2 }
    func mix2(_ key: UInt64) -> UInt64 { (key &* factor2).rotated(33) &* factor1 }
    let whole = bytes.count / 16 * 16
    for start in stride(from: 0, to: whole, by: 16) {
        hash1 = ((hash1 ^ mix1(word(start))).rotated(27) &+ hash2) &* 5 &+ 0x52DC_E729
        hash2 = ((hash2 ^ mix2(word(start + 8))).rotated(31) &+ hash1) &* 5 &+ 0x3849_5AB5
    }
    // Nothing left mixes to 0.
    hash1 ^= mix1(word(whole))
    hash2 ^= mix2(word(whole + 8))
    hash1 ^= UInt64(bytes.count)
    hash2 ^= UInt64(bytes.count)
    hash1 &+= hash2
    hash2 &+= hash1
    return hash1.finalized &+ hash2.finalized
}

extension UInt64 {
    fileprivate func rotated(_ count: UInt64) -> UInt64 { self << count | self >> (64 - count) }

    fileprivate var finalized: UInt64 {
        var value = self
        value = (value ^ value >> 33) &* 0xFF51_AFD7_ED55_8CCD
        value = (value ^ value >> 33) &* 0xC4CE_B9FE_1A85_EC53
        return value ^ value >> 33
    }
}
