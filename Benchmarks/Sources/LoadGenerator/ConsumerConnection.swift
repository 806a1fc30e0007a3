/// A consumer's side of one connection.
protocol ConsumerConnection: AnyObject {
    var descriptor: Int32 { get }
    var hasOutput: Bool { get }
    /// Asks for what is not asked for.
    /// - Returns: the earliest time that something is put off to; `nil` if nothing is.
    func ask(now: Int64) -> Int64?
    /// Sends what it can in one write. `false` if the broker is gone.
    func flush() -> Bool
    /// Reads answers once. `false` if the broker is gone.
    func fill() -> Bool
    /// Takes every whole answer into `result` and asks for more.
    func takeAnswers(into result: inout SideResult, now: Instants)
}
