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

    /// Calls `body` with the ranges of each name and value until it returns `false`. A pair without \x01 is passed over,
    /// as Java does.
    @inlinable public static func forEach(in text: Span<UInt8>, _ body: (Range<Int>, Range<Int>) -> Bool) {
        var start = 0
        var index = 0
        var middle = -1
        while start < text.count {
            index = text.nextByte(below: 3, from: index)
            if index < text.count {
                if text[index] == nameEnd, middle < 0 { middle = index }
                if text[index] != valueEnd {
                    index &+= 1
                    continue
                }
            }
            if middle >= 0, !body(start..<middle, (middle &+ 1)..<index) { return }
            index &+= 1
            start = index
            middle = -1
        }
    }

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
