public import MQProtocol

extension ClusterLink {
    /// Client ids of a group's members, as the broker at `address` knows them.
    /// - Throws: `refused` if it knows none.
    public func consumerIDs(of group: String, at address: String) async throws(ClientError) -> [String] {
        let answer = try await ask(RemotingCommand(.getConsumerListByGroup, ["consumerGroup": group]), at: address)
        return try body(ConsumerIDList.self, of: answer, from: address).consumerIDList
    }

    /// Gives a message back, to be handed out again after a delay, or to go to the dead letter topic.
    func sendBack(
        _ message: MessageExt, group: String, delayLevel: Int, maxReconsumeTimes: Int, to address: String
    ) async throws(ClientError) {
        let request = RemotingCommand(
            .consumerSendMessageBack,
            [
                "offset": String(message.commitLogOffset), "group": group, "delayLevel": String(delayLevel),
                "originMsgId": message.messageID, "originTopic": message.topic, "unitMode": "false",
                "maxReconsumeTimes": String(maxReconsumeTimes), "bname": message.brokerName,
            ])
        try await ask(request, at: address)
    }

    /// The JSON body of an answer.
    /// - Throws: `badAnswer` if it is not that.
    public func body<Body: JSONBody>(
        _: Body.Type, of answer: RemotingCommand, from address: String
    ) throws(ClientError) -> Body {
        do throws(BodyError) {
            return try Body(parsing: answer.body)
        } catch {
            throw .badAnswer(from: address, error.description)
        }
    }
}
