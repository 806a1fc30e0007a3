public import MQProtocol

extension Golden {
    /// A recorded request and what Java answered.
    public struct Exchange: Sendable {
        public let name: String
        /// As it was sent.
        public let bytes: [UInt8]
        public let request: RemotingCommand
        /// `nil` for one-way requests.
        public let answer: RemotingCommand?
    }

    /// What processes called `server…` were asked, in order, and what they answered.
    public static func exchanges(version: String, with server: String) throws -> [Exchange] {
        let frames = try frames(version: version)
        var answers: [Int: RemotingCommand] = [:]
        for frame in frames where frame.kind == "response" && frame.from.hasPrefix(server) {
            if let pair = frame.pair { answers[pair] = try RemotingCommand(frame: frame.bytes.span) }
        }
        return try frames.filter { $0.kind != "response" && $0.to.hasPrefix(server) }.map { frame in
            Exchange(
                name: frame.name, bytes: frame.bytes, request: try RemotingCommand(frame: frame.bytes.span),
                answer: frame.pair.flatMap { answers[$0] })
        }
    }
}
