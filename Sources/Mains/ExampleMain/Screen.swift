import MQSystem

/// Standard output that keeps what is said before it opens: messages come while the consumer still starts.
final class Screen: Sendable {
    private let kept = Lock<[String]?>([])

    /// Prints `line`, or keeps it until ``open(_:)``.
    func say(_ line: String) {
        let isOpen = kept.withLock { kept in
            kept?.append(line)
            return kept == nil
        }
        if isOpen { ThisProcess.say(line) }
    }

    /// Prints `first` and what was kept.
    func open(_ first: String) {
        ThisProcess.say(first)
        while let line = next() { ThisProcess.say(line) }
    }

    /// The next kept line; `nil` opens the screen.
    private func next() -> String? {
        kept.withLock { kept in
            guard let line = kept?.first else {
                kept = nil
                return nil
            }
            kept?.removeFirst()
            return line
        }
    }
}

/// Raised once, by a signal to the process or by ``send()``.
final class StopSignal: Sendable {
    private enum State {
        case idle, sent
        case waiting(CheckedContinuation<Void, Never>)
    }

    private let state = Lock(State.idle)

    init() {
        _ = Thread("signals") { [self] in
            ThisProcess.waitForStopSignal()
            send()
        }
    }

    func send() {
        let waiter: CheckedContinuation<Void, Never>? = state.withLock { state in
            defer { state = .sent }
            if case .waiting(let continuation) = state { return continuation }
            return nil
        }
        waiter?.resume()
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isSent = state.withLock { state in
                if case .sent = state { return true }
                state = .waiting(continuation)
                return false
            }
            if isSent { continuation.resume() }
        }
    }
}
