import Foundation
import MQProtocol
import MQTestKit

/// A connection with several requests under way: each has a body that takes its answer, or `nil` if none came.
final class ModelPeer {
    typealias Answered = (RemotingCommand?) -> Void

    private var peer: RemotingPeer?
    private var waiting: [Int32: Answered] = [:]
    private let noticed: (RemotingCommand, ModelPeer) -> Void

    init(port: Int, noticed: @escaping (RemotingCommand, ModelPeer) -> Void) throws {
        peer = try RemotingPeer(port: port)
        self.noticed = noticed
    }

    /// Sends a request; ``collect()`` takes its answer.
    func post(_ request: RemotingCommand, _ answered: @escaping Answered) {
        guard let peer else { return answered(nil) }
        waiting[peer.post(request)] = answered
    }

    /// Sends a request that is not answered.
    func tell(_ request: RemotingCommand) { peer?.post(request) }

    /// Takes answers until none is missing, or the connection has ended.
    func collect() throws {
        while !waiting.isEmpty, let peer {
            do {
                let frame = try peer.receive()
                guard frame.isResponse else {
                    noticed(frame, self)
                    continue
                }
                waiting.removeValue(forKey: frame.opaque)?(frame)
            } catch is ConnectionEnded {
                self.peer = nil
            }
        }
        let unanswered = waiting.sorted { $0.key < $1.key }
        waiting = [:]
        for (_, answered) in unanswered { answered(nil) }
    }

    /// One request by itself.
    func ask(_ request: RemotingCommand) throws -> RemotingCommand {
        var answer: RemotingCommand?
        post(request) { answer = $0 }
        try collect()
        guard let answer else { throw TestFailure("the connection has ended") }
        return answer
    }
}
