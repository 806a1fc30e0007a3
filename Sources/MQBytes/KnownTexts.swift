/// Texts that came once, one for each size, and where those that come may differ from them: who takes such a text apart
/// finds the same things in the same places.
/// ```
/// text  KEYS=order-7042 WAIT=true
/// open       ^^^^^^^^^^
/// ```
/// Memory is taken when the first is remembered: 128 × `byteCountMax` bytes.
public struct KnownTexts: Sendable {
    /// Texts whose sizes differ by a multiple of this share a place.
    public static let placeCount = 64
    /// So many texts that are not like the one in their place, and one of them takes it.
    public static let missesMax = 8
    /// Shorter ones are not remembered.
    public static let byteCountMin = 16
    /// Nor are longer ones.
    public let byteCountMax: Int

    /// For each place a text, then as many bytes that are 0xFF where others may differ.
    private var memory: [UInt8] = []
    /// The size of each place's text; 0: there is none.
    private var byteCounts: [Int] = []
    /// Texts of each place that were others since the last that was like its own.
    private var missCounts: [Int] = []

    /// None.
    public init(byteCountMax: Int) { self.byteCountMax = byteCountMax }

    /// The place of texts of `byteCount` bytes, if one is there.
    @inline(__always) public func place(_ byteCount: Int) -> Int? {
        let place = byteCount & (Self.placeCount &- 1)
        guard byteCount > 0, place < byteCounts.count, byteCounts[place] == byteCount else { return nil }
        return place
    }

    /// Whether `text` is like the one in `place`, at least in `range`: what may differ is no blank, no control character, no
    /// `"`, no `\` and below 128.
    /// - Precondition: a text of its size is there, and the range has at least sixteen bytes.
    @inline(__always) public func resembles(_ text: Span<UInt8>, _ range: Range<Int>, in place: Int) -> Bool {
        let start = place &* byteCountMax &* 2
        let known = memory.span.extracting(start..<start &+ byteCountMax)
        let open = memory.span.extracting(start &+ byteCountMax..<start &+ byteCountMax &* 2)
        return text.extracting(range).resembles(known.extracting(range), open: open.extracting(range))
    }

    /// Notes that a text was like the one in `place`.
    @inline(__always) public mutating func noteHit(_ place: Int) { missCounts[place] = 0 }

    /// Whether a text of `byteCount` bytes, which was like none, is to be remembered.
    public mutating func wants(_ byteCount: Int) -> Bool {
        guard (Self.byteCountMin...byteCountMax).contains(byteCount) else { return false }
        let place = byteCount & (Self.placeCount - 1)
        guard place < byteCounts.count, byteCounts[place] != 0 else { return true }
        missCounts[place] += 1
        guard missCounts[place] > Self.missesMax else { return false }
        missCounts[place] = 0  // whatever comes of it: the next attempt is as far away
        return true
    }

    /// Puts `text` into its place.
    /// - Parameter ranges: where others may differ.
    /// - Returns: the place.
    @discardableResult
    public mutating func remember(_ text: Span<UInt8>, open ranges: [Range<Int>]) -> Int {
        precondition((Self.byteCountMin...byteCountMax).contains(text.count), "\(text.count) bytes")
        if memory.isEmpty {
            memory = Array(repeating: 0, count: Self.placeCount * byteCountMax * 2)
            byteCounts = Array(repeating: 0, count: Self.placeCount)
            missCounts = byteCounts
        }
        let place = text.count & (Self.placeCount - 1)
        let start = place * byteCountMax * 2
        for index in 0..<text.count {
            memory[start + index] = text[index]
            memory[start + byteCountMax + index] = 0
        }
        for range in ranges {
            for index in range { memory[start + byteCountMax + index] = 0xFF }
        }
        byteCounts[place] = text.count
        missCounts[place] = 0
        return place
    }
}
