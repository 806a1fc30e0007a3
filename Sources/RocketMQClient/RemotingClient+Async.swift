import MQProtocol
import MQRemoting
import MQSystem
import MQTransport

extension RemotingClient {
    /// Sends `request` and waits for its answer. A cancelled task stops waiting at once; the peer may still act.
    func answer(
        to request: RemotingCommand, from address: SocketAddress, timeoutMilliseconds: Int64
    ) async -> Result<RemotingCommand, RemotingError> {
        let once = ResumeOnce()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                once.arm(continuation)
                invoke(request, to: address, timeoutMilliseconds: timeoutMilliseconds) { once.resume($0) }
            }
        } onCancel: {
            once.resume(.failure(.connectionLost("the caller gave up")))
        }
    }

    /// Sends `request` without wanting an answer; returns when it is in the connection's output.
    func send(oneWay request: RemotingCommand, to address: SocketAddress) async -> RemotingError? {
        await withCheckedContinuation { continuation in
            sendOneWay(request, to: address) { continuation.resume(returning: $0) }
        }
    }
}

/// Hands the first result to a continuation and drops later ones: answer and cancellation may race.
private final class ResumeOnce: Sendable {
    typealias Answer = Result<RemotingCommand, RemotingError>

    private enum State {
        case idle
        case waiting(CheckedContinuation<Answer, Never>)
        case early(Answer)  // the task was cancelled before it waited
        case done
    }

    private let state = Lock(State.idle)

    func arm(_ continuation: CheckedContinuation<Answer, Never>) {
        let early: Answer? = state.withLock { state in
            if case .early(let answer) = state {
                state = .done
                return answer
            }
            state = .waiting(continuation)
            return nil
        }
        if let early { continuation.resume(returning: early) }
    }

    func resume(_ answer: Answer) {
        let continuation: CheckedContinuation<Answer, Never>? = state.withLock { state in
            switch state {
            case .waiting(let continuation):
                state = .done
                return continuation
            case .idle:
                state = .early(answer)
                return nil
            case .early, .done: return nil
            }
        }
        continuation?.resume(returning: answer)
    }
}
