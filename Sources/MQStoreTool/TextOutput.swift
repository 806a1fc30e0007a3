import MQBase
import MQBytes
import MQJSON
import MQSystem

/// Where a command prints: whole lines, gathered, so that a dump does not cost a system call for each. One owner.
final class TextOutput {
    private let write: (String) -> Void
    private var gathered = ""
    /// Called before anything is written, so that a progress line does not stay between the lines.
    var beforeWrite: () -> Void = {}

    /// - Parameter write: gets text, line ends included.
    init(_ write: @escaping (String) -> Void) { self.write = write }

    /// Prints a line. Control characters in it are escaped, wherever they came from.
    func line(_ text: String) {
        gathered += printable(text)
        gathered += "\n"
        if gathered.utf8.count > 1 << 16 { flush() }
    }

    /// Prints a value as one line of ASCII.
    func json(_ value: JSON) { line(value.text(.standard)) }

    /// Writes what was gathered.
    func flush() {
        guard !gathered.isEmpty else { return }
        beforeWrite()
        write(gathered)
        gathered = ""
    }
}

/// `text` with everything escaped that a terminal would obey: controls, and what turns the direction of writing.
func printable(_ text: String) -> String {
    if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return text }
    var safe = ""
    for scalar in text.unicodeScalars {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0xFFF9...0xFFFB,
            0xE0000...0xE007F:
            safe += "\\u{" + String(scalar.value, radix: 16) + "}"
        default: safe.unicodeScalars.append(scalar)
        }
    }
    return safe
}

/// `12,345,678`.
func grouped(_ number: some BinaryInteger) -> String {
    let digits = String(Int64(number).magnitude)
    var text = number < 0 ? "-" : ""
    for (index, digit) in digits.enumerated() {
        if index > 0, (digits.count - index) % 3 == 0 { text += "," }
        text.append(digit)
    }
    return text
}

/// `1.2 GiB`; exact below one KiB.
func bytesText(_ byteCount: Int) -> String {
    guard byteCount >= 1024 else { return "\(byteCount) B" }
    var value = Double(byteCount)
    var unit = -1
    while value >= 1024, unit < 4 {
        value /= 1024
        unit += 1
    }
    let tenths = Int((value * 10).rounded())
    return "\(grouped(tenths / 10)).\(tenths % 10) \(["KiB", "MiB", "GiB", "TiB", "PiB"][unit])"
}

/// Local time as RocketMQ prints it; the plain number where it cannot be a time of this store.
func timeText(_ milliseconds: Int64) -> String {
    guard milliseconds > 0, milliseconds < 253_402_300_800_000 else { return String(milliseconds) }
    return SystemClock.localText(Timestamp(rawValue: milliseconds))
}

/// `0xDAA320A7`.
func hexText(_ number: Int32) -> String {
    var text = ByteBuffer(capacity: 10)
    text.append("0x")
    text.append(hex: UInt64(UInt32(bitPattern: number)), digits: 8)
    return text.span.toString()
}
