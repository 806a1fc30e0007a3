import CMQLinux
import Glibc

// What is in memory now, and what should be soon. A loop asks before it touches bytes that nobody wrote lately.

extension Mapping {
    /// Pages asked about with one system call.
    private static let windowPageCount = 256
    /// Runs whose pages lie at most so far apart are asked about together: asking about a page costs 5 to 25 ns, a call of
    /// its own 600.
    private static let gapPageCount = 32

    /// Whether every page of `runs` is in memory; mincore(2), 0.6 µs for a few pages and 2 µs for a pull of 32 records that
    /// lie apart. It is true at this moment: touch the bytes soon.
    /// - Precondition: the runs lie in the mapping.
    public func isInMemory(_ runs: ArraySlice<Range<Int>>) -> Bool {
        let page = Int(getpagesize())
        // SAFETY: `state` is used inside the closure only.
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.windowPageCount) { state in
            var first = runs.startIndex
            while first < runs.endIndex {
                var end = first + 1
                var span = pages(of: runs[first], page)
                while end < runs.endIndex {
                    let next = pages(of: runs[end], page)
                    guard next.lowerBound >= span.lowerBound, next.lowerBound - span.upperBound <= Self.gapPageCount,
                        next.upperBound - span.lowerBound <= Self.windowPageCount
                    else { break }
                    span = span.lowerBound..<max(span.upperBound, next.upperBound)
                    end += 1
                }
                guard unsafe isInMemory(runs[first..<end], span, page, state) else { return false }
                first = end
            }
            return true
        }
    }

    private func pages(of run: Range<Int>, _ page: Int) -> Range<Int> {
        precondition(run.lowerBound >= 0 && run.upperBound <= byteCount, "\(run) of \(byteCount) mapped bytes")
        return run.lowerBound / page..<(run.upperBound + page - 1) / page
    }

    /// As ``isInMemory(_:)``, for runs within the pages of `span`; a single run may be longer than the window.
    @unsafe private func isInMemory(
        _ runs: ArraySlice<Range<Int>>, _ span: Range<Int>, _ page: Int, _ state: UnsafeMutableBufferPointer<UInt8>
    ) -> Bool {
        var at = span.lowerBound
        while at < span.upperBound {
            let count = min(span.upperBound - at, Self.windowPageCount)
            // SAFETY: the pages lie in the mapping, and `state` has a byte for each.
            guard unsafe mq_mincore(address(at * page), count * page, state.baseAddress) == 0 else { return false }
            for index in 0..<count where unsafe state[index] & 1 == 0 {
                // Only the pages that somebody wants count, not those between the runs.
                if runs.contains(where: { pages(of: $0, page).contains(at + index) }) { return false }
            }
            at += count
        }
        return true
    }

    /// Reads `runs` into memory and waits until they are there. Not on a loop.
    /// - Precondition: the runs lie in the mapping.
    public func bringIn(_ runs: [Range<Int>]) {
        let page = Int(getpagesize())
        for run in runs { readAhead(run) }  // all of them at once, before the first one is waited for
        for run in runs where !run.isEmpty {
            let pages = pages(of: run, page)
            unsafe mq_bring_in(address(pages.lowerBound * page), pages.count * page)  // SAFETY: inside the mapping
        }
    }

    /// Begins to read `range`, cut at the mapping's end, into memory; madvise(2). It may wait until the disk has taken the
    /// request, not until it has delivered.
    public func readAhead(_ range: Range<Int>) {
        let page = Int(getpagesize())
        let start = max(0, range.lowerBound) / page * page
        let end = min(range.upperBound, byteCount)
        guard start < end else { return }
        // SAFETY: inside the mapping. A hint: nothing depends on it.
        _ = unsafe mq_will_need(address(start), end - start)
    }
}
