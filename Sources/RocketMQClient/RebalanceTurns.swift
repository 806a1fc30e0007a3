/// When a consumer shares its queues out: one at a time, once more if it is asked meanwhile, and again by itself, ever more
/// rarely, while something was not to be had. A plain value.
struct RebalanceTurns {
    /// The first retry comes so long after a failure; each one after twice as long, 64 times that at most.
    static let firstDelay: Int64 = 250

    private var isRunning = false
    private var isWanted = false
    /// In a row that could not do everything.
    private var failures = 0
    private var isRetrying = false

    /// Somebody wants one. `false`: it is under way, and will run once more.
    mutating func begin() -> Bool {
        if isRunning {
            isWanted = true
            return false
        }
        isRunning = true
        return true
    }

    /// One is over.
    /// - Returns: whether another one comes at once, and in how many milliseconds somebody must ask for one.
    mutating func end(isComplete: Bool) -> (again: Bool, retryMilliseconds: Int64?) {
        let again = isWanted
        isWanted = false
        isRunning = again
        guard !isComplete else {
            failures = 0
            return (again, nil)
        }
        guard !again, !isRetrying else { return (again, nil) }
        isRetrying = true
        defer { failures += 1 }
        return (false, Self.firstDelay << min(failures, 6))
    }

    /// The time is over: whoever waited asks now.
    mutating func retry() { isRetrying = false }
}
