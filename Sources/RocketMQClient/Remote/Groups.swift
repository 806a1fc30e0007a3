public import MQProtocol

extension ClusterLink {
    /// Client ids of a group's members, as the broker at `address` knows them.
    /// - Throws: `refused` if it knows none.
    public func consumerIDs(of group: String, at address: String) async throws(ClientError) -> [String] {
        let answer = try await ask(RemotingCommand(.getConsumerListByGroup, ["consumerGroup": group]), at: address)
        return try body(ConsumerIDList.self, of: answer, from: address).consumerIDList
    }

    /// Asks the broker at `address` whether it would serve `subscription`.
    /// - Throws: `refused` with the reason if it would not: an SQL92 expression that is wrong (23), or filters that are off (1).
    func check(_ subscription: SubscriptionData, of group: String, at address: String) async throws(ClientError) {
        let body = CheckClientRequestBody(clientID: clientID, group: group, subscriptionData: subscription)
        try await ask(RemotingCommand(.checkClientConfig, body: body.encoded()), at: address)
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
