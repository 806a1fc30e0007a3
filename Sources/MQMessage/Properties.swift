public import MQBytes

/// A message's properties as they are stored: `name \x01 value \x02 name \x01 value \x02`; the last \x02 may be missing
/// (RocketMQ 4.x strips it). Views over the bytes; nothing is copied to look one up.
public enum Properties {
    /// Between a name and its value.
    public static let nameEnd: UInt8 = 1
    /// Behind a value.
    public static let valueEnd: UInt8 = 2
    /// The length field is a signed 16-bit number.
    public static let byteCountMax = 32767

    /// The range of the value of `name` in `text`; `nil` if it has none. The first one counts.
    public static func value(of name: StaticString, in text: Span<UInt8>) -> Range<Int>? {
        var found: Range<Int>?
        forEach(in: text) { key, value in
            guard text.extracting(key).equals(name) else { return true }
            found = value
            return false
        }
        return found
    }

    /// Where one name and its value lie in a text.
    @frozen public struct Pair {
        /// Where the name begins.
        public let name: Int
        /// Where it ends, one before the value.
        public let nameEnd: Int
        /// Where the value ends.
        public let valueEnd: Int

        @inlinable init(name: Int, nameEnd: Int, valueEnd: Int) {
            self.name = name
            self.nameEnd = nameEnd
            self.valueEnd = valueEnd
        }

        /// Where the value lies.
        @inlinable public var value: Range<Int> { nameEnd &+ 1..<valueEnd }
    }

    /// Walks over the pairs of a text without a call for each: every message pays. A pair without \x01 is passed over, as
    /// Java does.
    @frozen public struct Cursor {
        @usableFromInline var position = 0

        /// Before the first pair.
        @inlinable public init() {}

        /// The next pair; `nil` if there is none.
        @inlinable @inline(__always) public mutating func next(in text: Span<UInt8>) -> Pair? {
            while position < text.count {
                var middle = text.nextByte(upTo: Properties.valueEnd, from: position)
                while middle < text.count, text[middle] == 0 {  // no separator
                    middle = text.nextByte(upTo: Properties.valueEnd, from: middle &+ 1)
                }
                guard middle < text.count else { return nil }
                guard text[middle] == Properties.nameEnd else {
                    position = middle &+ 1  // a pair without a name
                    continue
                }
                let pair = Pair(
                    name: position, nameEnd: middle, valueEnd: text.next(Properties.valueEnd, from: middle &+ 1))
                position = pair.valueEnd &+ 1
                return pair
            }
            return nil
        }
    }

    /// Calls `body` with the ranges of each name and value until it returns `false`.
    @inlinable public static func forEach(in text: Span<UInt8>, _ body: (Range<Int>, Range<Int>) -> Bool) {
        var cursor = Cursor()
        while let pair = cursor.next(in: text) {
            guard body(pair.name..<pair.nameEnd, pair.value) else { return }
        }
    }

    /// Whether `text` holds as many zeroes in a row as a disk's smallest sector has bytes. Nobody writes such properties,
    /// and recovery would take them for a sector that never reached the disk. Looks at every 512th byte.
    public static func holdsZeroSector(_ text: Span<UInt8>) -> Bool {
        var index = sectorByteCount - 1
        while index < text.count {
            if text[index] == 0 {
                var start = index
                while start > 0, text[start - 1] == 0 { start -= 1 }
                var end = index + 1
                while end < text.count, end - start < sectorByteCount, text[end] == 0 { end += 1 }
                if end - start >= sectorByteCount { return true }
            }
            index += sectorByteCount
        }
        return false
    }

    private static let sectorByteCount = 512

    /// Appends one property, with a \x02 behind it.
    @inlinable public static func append(_ name: StaticString, _ value: Span<UInt8>, to buffer: inout ByteBuffer) {
        buffer.append(name)
        buffer.append(nameEnd)
        buffer.append(value)
        buffer.append(valueEnd)
    }

    /// As ``append(_:_:to:)-(_,Span<UInt8>,_)``, for an array.
    @inlinable public static func append(_ name: StaticString, _ value: [UInt8], to buffer: inout ByteBuffer) {
        append(name, value.span, to: &buffer)
    }

    /// Reads everything into an ordered list; for the paths that handle a message alone.
    public static func list(_ text: Span<UInt8>) -> [(name: String, value: String)] {
        var list: [(name: String, value: String)] = []
        forEach(in: text) { name, value in
            list.append((text.extracting(name).toString(), text.extracting(value).toString()))
            return true
        }
        return list
    }

    /// The stored form of a list. Names and values must not contain \x01 or \x02; a pair that does is left out.
    public static func encode(_ list: [(name: String, value: String)]) -> [UInt8] {
        var bytes: [UInt8] = []
        for (name, value) in list where !(name + value).utf8.contains(where: { $0 == nameEnd || $0 == valueEnd }) {
            bytes += name.utf8
            bytes.append(nameEnd)
            bytes += value.utf8
            bytes.append(valueEnd)
        }
        return bytes
    }
}
