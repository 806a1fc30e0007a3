import BenchWire
import Glibc

/// A line that says every second how it goes, if standard error is a terminal.
struct Progress {
    private let isTerminal = isatty(2) == 1
    private var lastTime: Int64 = 0
    private var lastCount = 0

    mutating func show(_ now: Int64, _ produced: SideResult, _ consumed: SideResult) {
        guard isTerminal, now - lastTime >= 1_000_000_000 else { return }
        let count = produced.messageCount + consumed.messageCount
        let fresh = max(0, count - lastCount)
        if lastTime > 0 {
            let rate = Int(Double(fresh) * 1e9 / Double(now - lastTime))
            write("\r\(grouped(rate)) messages/s, \(grouped(count)) in all \u{1B}[K", to: 2)
        }
        (lastTime, lastCount) = (now, count)
    }

    func clear() {
        if isTerminal { write("\r\u{1B}[K", to: 2) }
    }
}

/// A number with commas between thousands.
func grouped(_ value: Int) -> String {
    let digits = Array(String(value.magnitude))
    var text = value < 0 ? "-" : ""
    for (index, digit) in digits.enumerated() {
        if index > 0, (digits.count - index) % 3 == 0 { text += "," }
        text.append(digit)
    }
    return text
}

/// A number with `places` decimals.
func fixed(_ value: Double, _ places: Int) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "-" }
    var factor = 1
    for _ in 0..<places { factor *= 10 }
    let scaled = Int((abs(value) * Double(factor)).rounded())
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard places > 0 else { return sign + String(scaled) }
    let fraction = String(scaled % factor)
    let zeros = String(repeating: "0", count: places - fraction.count)
    return "\(sign)\(scaled / factor).\(zeros)\(fraction)"
}
