import MQBytes

/// Marks which groups want a message in a bit map of a few bytes: each group sets some bits, and a message whose bit map
/// lacks one of them is surely not wanted. The numbers are RocketMQ's: the bit maps lie in `consumequeue_ext`.
///
/// Source: `BloomFilter.java`, `BitsArray.java`, RocketMQ 4.9 and 5.3.
public struct BloomFilter: Equatable, Sendable {
    /// Bits of a bit map; a multiple of 8.
    public let bitCount: Int
    /// Bits that each group sets.
    public let hashCount: Int

    /// - Parameters:
    ///   - errorPercent: how often a message may be taken for wanted that is not, with `groupCount` groups; 1...99.
    ///   - groupCount: groups that are expected to filter a topic; 1...10,000.
    /// - Precondition: both are in their range.
    public init(errorPercent: Int, groupCount: Int) {
        precondition(
            (1...99).contains(errorPercent) && (1...10_000).contains(groupCount), "\(errorPercent) %, \(groupCount)")
        // k = ⌈log2(1 / f)⌉, m = ⌈n · log2(1 / f) · log2(e)⌉, made up to whole bytes.
        let information = Self.log2(100 / Double(errorPercent))
        hashCount = max(1, Int(information.rounded(.up)))
        let bits = Int((Double(groupCount) * information * 1.442_695_040_888_963_4).rounded(.up))
        bitCount = (bits + 7) / 8 * 8
    }

    /// Binary logarithm of a number from 1 to 100, without a library: halvings, then 52 squarings.
    private static func log2(_ number: Double) -> Double {
        var (rest, result, step) = (number, 0.0, 1.0)
        while rest >= 2 {
            rest /= 2
            result += 1
        }
        for _ in 0..<52 {
            rest *= rest
            step /= 2
            if rest >= 2 {
                rest /= 2
                result += step
            }
        }
        return result
    }

    /// The bits that `group` sets in the bit maps of a topic's messages.
    public func positions(of group: String, topic: String) -> [Int] {
        let hash = murmur3(Array("\(group)#\(topic)".utf8).span)
        let (first, second) = (Int32(truncatingIfNeeded: hash), Int32(truncatingIfNeeded: hash >> 32))
        return (1...hashCount).map { number in
            let combined = first &+ Int32(number) &* second
            return Int(combined < 0 ? ~combined : combined) % bitCount
        }
    }

    /// Sets bits in a bit map of ``bitCount`` bits.
    public static func set(_ positions: [Int], in bitMap: inout [UInt8]) {
        for position in positions where position / 8 < bitMap.count { bitMap[position / 8] |= 1 << UInt8(position % 8) }
    }

    /// Whether all of `positions` are set.
    public static func isHit(_ positions: [Int], in bitMap: Span<UInt8>) -> Bool {
        for position in positions {
            guard position / 8 < bitMap.count, bitMap[position / 8] & 1 << UInt8(position % 8) != 0 else {
                return false
            }
        }
        return true
    }
}
