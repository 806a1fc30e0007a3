import MQMessage
import MQSystem

/// Requests of producers that wait for a reply, by correlation id. Any thread.
final class OpenRequests: Sendable {
    private struct State {
        var waiting: [String: CheckedContinuation<MessageExt?, Never>] = [:]
        /// Replies that came before anybody waited.
        var early: [String: MessageExt] = [:]
        var expected: Set<String> = []
        var isClosed = false
    }

    private let state = Lock(State())

    /// From here on a reply with this id is kept.
    func expect(_ id: String) { state.withLock { _ = $0.expected.insert(id) } }

    /// The reply, or `nil` if none came within `timeout`, or the task was cancelled, or the link is closed.
    func reply(to id: String, within timeout: Duration) async -> MessageExt? {
        let alarm = Task { [weak self] in
            if await pause(timeout) { self?.end(id) }
        }
        defer { alarm.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let (isReady, message): (Bool, MessageExt?) = state.withLock { state in
                    if let message = state.early.removeValue(forKey: id) { return (true, message) }
                    guard !state.isClosed, state.expected.contains(id) else { return (true, nil) }
                    state.waiting[id] = continuation
                    return (false, nil)
                }
                if isReady { continuation.resume(returning: message) }
            }
        } onCancel: {
            end(id)
        }
    }

    /// A reply came; one that nobody expects is dropped.
    func take(_ message: MessageExt) {
        guard let id = message.properties[PropertyName.correlationID] else { return }
        let waiting = state.withLock { state -> CheckedContinuation<MessageExt?, Never>? in
            guard state.expected.contains(id) else { return nil }
            if let waiting = state.waiting.removeValue(forKey: id) { return waiting }
            state.early[id] = message
            return nil
        }
        waiting?.resume(returning: message)
    }

    /// Nobody waits for this reply any more.
    func end(_ id: String) {
        let waiting = state.withLock { state in
            state.expected.remove(id)
            state.early[id] = nil
            return state.waiting.removeValue(forKey: id)
        }
        waiting?.resume(returning: nil)
    }

    /// Ends them all.
    func close() {
        let all = state.withLock { state in
            defer { state = State(isClosed: true) }
            return Array(state.waiting.values)
        }
        for waiting in all { waiting.resume(returning: nil) }
    }
}
