/// States what must hold whatever bytes or timing arrive from outside. Checked in release builds too: a broker that
/// has lost its own rules must stop rather than acknowledge.
@inlinable @inline(__always)  // called on the append path; one compare and branch
public func invariant(
    _ condition: @autoclosure () -> Bool, _ message: @autoclosure () -> String,
    file: StaticString = #fileID, line: UInt = #line
) {
    precondition(condition(), message(), file: file, line: line)
}
