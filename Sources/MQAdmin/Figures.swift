/// Numbers that brokers told are summed up here. They may be anything: what does not fit stays at the end of the range,
/// because a broker that lies must not end mqadmin.
extension FixedWidthInteger {
    /// `self - other`, kept in range.
    func minus(_ other: Self) -> Self {
        let (difference, overflows) = subtractingReportingOverflow(other)
        return overflows ? (other > 0 ? .min : .max) : difference
    }

    /// `self + other`, kept in range.
    func plus(_ other: Self) -> Self {
        let (sum, overflows) = addingReportingOverflow(other)
        return overflows ? (other > 0 ? .max : .min) : sum
    }
}

extension Sequence where Element: FixedWidthInteger {
    /// All of them, kept in range.
    var sum: Element { reduce(0) { $0.plus($1) } }
}

extension Int64 {
    /// The whole part of `value`, kept in range; 0 for what is no number.
    init(bounding value: Double) {
        if value.isNaN {
            self = 0
        } else {
            self = Int64(exactly: value.rounded(.towardZero)) ?? (value < 0 ? .min : .max)
        }
    }
}

/// The first number of a text that a broker told, such as the last ten seconds' rate; 0 if there is none.
func firstNumber(_ text: String?) -> Double {
    let number = text?.split(separator: " ").first.flatMap { Double($0) } ?? 0
    return number.isFinite ? number : 0
}
