import Testing

@testable import MQObserve

/// Goal: percentiles within 0.1 % of the truth, merged or not, in bounded memory.
/// Method: compare with sorted values drawn over many orders of magnitude.
@Suite struct HistogramTests {
    @Test func `an empty histogram answers zero`() {
        let histogram = Histogram()
        #expect(histogram.count == 0 && histogram.max == 0 && histogram.min == 0 && histogram.mean == 0)
        #expect(histogram.percentile(50) == 0)
    }

    @Test func `values below 2048 are kept exactly`() {
        var histogram = Histogram()
        for value in UInt64(1)...1000 { histogram.record(value) }
        #expect(histogram.percentile(0) == 1)
        #expect(histogram.percentile(50) == 500)
        #expect(histogram.percentile(99.9) == 999)
        #expect(histogram.percentile(100) == 1000)
        #expect(histogram.mean == 500.5)
        #expect(histogram.min == 1)
    }

    @Test func `every bucket begins where the one before ends`() {
        for index in 0..<Histogram.index(Histogram.highestValue) {
            let top = Histogram.top(ofBucket: index)
            #expect(Histogram.index(top) == index)
            #expect(Histogram.index(top + 1) == index + 1)
        }
        #expect(Histogram.top(ofBucket: Histogram.index(Histogram.highestValue)) == Histogram.highestValue)
    }

    @Test func `percentiles are within a thousandth of the sorted values`() {
        let seed = UInt64.random(in: 1...UInt64.max)
        var random = SplitMix(state: seed)
        var values: [UInt64] = []
        var histogram = Histogram()
        for _ in 0..<20_000 {
            let value = UInt64.random(in: 1...(1 << UInt64.random(in: 1...41, using: &random)), using: &random)
            values.append(value)
            histogram.record(value)
        }
        values.sort()
        for percent in [0.1, 1, 10, 50, 90, 99, 99.9, 99.99, 100] {
            let rank = Int((Double(values.count) * percent / 100).rounded(.up))
            let truth = values[max(0, rank - 1)]
            let found = histogram.percentile(percent)
            #expect(found >= truth && found - truth <= truth / 1000 + 1, "seed \(seed): p\(percent)")
        }
    }

    @Test func `merging equals recording in one`() {
        var whole = Histogram()
        var even = Histogram()
        var odd = Histogram()
        for value in UInt64(0)..<5000 {
            whole.record(value * 977)
            if value % 2 == 0 { even.record(value * 977) } else { odd.record(value * 977) }
        }
        even.merge(odd)
        even.merge(Histogram())
        #expect(even == whole)
        even.reset()
        #expect(even.count == 0 && even.percentile(99) == 0)
    }

    @Test func `a value beyond the range is counted at the top and remembered as maximum`() {
        var histogram = Histogram()
        histogram.record(UInt64.max)
        histogram.record(5, times: 3)
        #expect(histogram.count == 4)
        #expect(histogram.max == UInt64.max)
        #expect(histogram.percentile(75) == 5)
        #expect(histogram.percentile(99) == Histogram.highestValue)
    }
}

/// A small seeded generator, so that a failure can be run again.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
