import MQProtocol
import MQRemoting
import MQSystem
import MQTransport

/// The bridge from callbacks on a loop to `await`: every call that waits is known here, so that none waits for ever when
/// the loop has ended before it could answer.
final class OpenCalls: Sendable {
    private struct State {
        var isClosed = false
        var next = 0
        var fail: [Int: @Sendable () -> Void] = [:]
    }

    private let state = Lock(State())

    /// Calls that wait.
    var count: Int { state.withLock { $0.fail.count } }

    /// Sends `request` and waits for its answer. A cancelled task stops waiting at once; the peer may still act.
    func answer(
        to request: RemotingCommand, from address: SocketAddress, timeoutMilliseconds: Int64,
        over client: RemotingClient
    ) async -> Result<RemotingCommand, RemotingError> {
        await wait { done in
            client.invoke(request, to: address, timeoutMilliseconds: timeoutMilliseconds, done)
        }
    }

    /// Sends `request` without wanting an answer; returns when it is in the connection's output.
    func send(
        oneWay request: RemotingCommand, to address: SocketAddress, over client: RemotingClient
    ) async -> RemotingError? {
        let result: Result<Void, RemotingError> = await wait { done in
            client.sendOneWay(request, to: address) { error in done(error.map { .failure($0) } ?? .success(())) }
        }
        if case .failure(let error) = result { return error }
        return nil
    }

    /// Fails what waits, and what comes later.
    func close() {
        let waiting = state.withLock { state in
            defer {
                state.fail = [:]
                state.isClosed = true
            }
            return Array(state.fail.values)
        }
        for fail in waiting { fail() }
    }

    private func wait<Value: Sendable>(
        _ start: (@escaping @Sendable (Result<Value, RemotingError>) -> Void) -> Void
    ) async -> Result<Value, RemotingError> {
        let once = ResumeOnce<Result<Value, RemotingError>>()
        let fail: @Sendable () -> Void = { once.resume(.failure(.connectionLost("the client was closed"))) }
        let number: Int? = state.withLock { state in
            guard !state.isClosed else { return nil }
            state.next += 1
            state.fail[state.next] = fail
            return state.next
        }
        guard let number else { return .failure(.connectionLost("the client was closed")) }
        defer { _ = state.withLock { $0.fail.removeValue(forKey: number) } }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                once.arm(continuation)
                start { once.resume($0) }
            }
        } onCancel: {
            once.resume(.failure(.connectionLost("the caller gave up")))
        }
    }
}
