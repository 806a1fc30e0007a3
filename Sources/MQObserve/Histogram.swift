/// How long things took: counts in log-linear buckets, three significant digits from 1 ns to an hour.
///
/// Values below 2,048 ns have a bucket each; above, every doubling is divided into 1,024 buckets, so a bucket is at
/// most 0.1 % of its value wide. Memory grows with the largest value recorded and is bounded: 16 KiB for
/// microseconds, 128 KiB for 10 ms, 264 KiB for an hour. A value, not thread-safe: one per thread, merged to be read.
///
/// Recording does not correct for coordinated omission. An open-loop load records the time since the moment it
/// *intended* to send, which needs no correction.
public struct Histogram: Equatable, Sendable {
    /// Largest value kept apart, nanoseconds (about 73 minutes); larger ones are counted as this.
    public static let highestValue: UInt64 = (1 << 42) - 1

    /// How many values were recorded.
    public private(set) var count: UInt64 = 0
    /// Smallest value recorded, nanoseconds, exact; 0 if there is none.
    public var min: UInt64 { count == 0 ? 0 : smallest }
    /// Largest value recorded, nanoseconds, exact; 0 if there is none.
    public private(set) var max: UInt64 = 0
    private var counts: [UInt64] = []
    private var smallest = UInt64.max
    private var sum: Double = 0

    /// An empty histogram.
    public init() {}

    /// Counts `value` nanoseconds, `times` times.
    public mutating func record(_ value: UInt64, times: UInt64 = 1) {
        let index = Self.index(Swift.min(value, Self.highestValue))
        if index >= counts.count { grow(toHold: index) }
        counts[index] &+= times
        count &+= times
        sum += Double(value) * Double(times)
        if value > max { max = value }
        if value < smallest { smallest = value }
    }

    /// Counts everything `other` has counted.
    public mutating func merge(_ other: Histogram) {
        guard other.count > 0 else { return }
        if other.counts.count > counts.count { grow(toHold: other.counts.count - 1) }
        for index in other.counts.indices { counts[index] &+= other.counts[index] }
        count &+= other.count
        sum += other.sum
        max = Swift.max(max, other.max)
        smallest = Swift.min(smallest, other.smallest)
    }

    /// Forgets every value; keeps the memory.
    public mutating func reset() {
        for index in counts.indices { counts[index] = 0 }
        count = 0
        sum = 0
        max = 0
        smallest = .max
    }

    /// Mean of the values recorded, nanoseconds; 0 if there is none.
    public var mean: Double { count == 0 ? 0 : sum / Double(count) }

    /// The value, nanoseconds, that `percent` of the values are at or below: the top of its bucket, never above
    /// ``max``. 0 if there is none.
    /// - Precondition: `percent` is in 0...100.
    public func percentile(_ percent: Double) -> UInt64 {
        precondition((0...100).contains(percent), "percentile \(percent)")
        guard count > 0 else { return 0 }
        // The rank is rounded up, at least the first: the 50th percentile of one value is that value.
        let rank = Swift.max(1, (Double(count) * percent / 100).rounded(.up))
        var seen: UInt64 = 0
        for index in counts.indices {
            seen &+= counts[index]
            if Double(seen) >= rank { return Swift.min(Self.top(ofBucket: index), max) }
        }
        return max
    }

    /// Which bucket `value` falls into. With e = 0 below 2,048 and otherwise the number of low bits dropped to leave
    /// 1,024..<2,048, it is 1,024 e + (value >> e): consecutive over all values.
    static func index(_ value: UInt64) -> Int {
        let exponent = Swift.max(0, 53 - value.leadingZeroBitCount)
        return exponent << 10 + Int(truncatingIfNeeded: value >> UInt64(exponent))
    }

    /// Largest value that falls into bucket `index`.
    static func top(ofBucket index: Int) -> UInt64 {
        let exponent = index < 2048 ? 0 : index >> 10 - 1
        let mantissa = UInt64(index - exponent << 10)
        return (mantissa + 1) << UInt64(exponent) - 1
    }

    private mutating func grow(toHold index: Int) {
        let wanted = (index / 1024 + 1) * 1024
        counts.append(contentsOf: repeatElement(0, count: wanted - counts.count))
    }
}
