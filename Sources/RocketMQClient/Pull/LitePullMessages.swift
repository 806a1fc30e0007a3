extension LitePullConsumer {
    /// All messages, one after the other, until the task is cancelled or the consumer is shut down. A message counts as
    /// done when the last of its batch was asked past.
    public nonisolated var messages: Messages { Messages(consumer: self) }

    /// The messages of a consumer as a sequence.
    public struct Messages: AsyncSequence, Sendable {
        let consumer: LitePullConsumer

        /// One at a time: they share what is fetched.
        public func makeAsyncIterator() -> Iterator { Iterator(consumer: consumer) }

        /// Polls when it has nothing left.
        public struct Iterator: AsyncIteratorProtocol {
            let consumer: LitePullConsumer
            private var batch: ArraySlice<MessageExt> = []

            init(consumer: LitePullConsumer) { self.consumer = consumer }

            /// - Throws: what ``LitePullConsumer/poll(timeout:)`` does, but for the end.
            public mutating func next() async throws(ClientError) -> MessageExt? {
                while batch.isEmpty {
                    if Task.isCancelled { return nil }
                    do throws(ClientError) {
                        batch = try await consumer.poll()[...]
                    } catch .notRunning {
                        return nil
                    }
                }
                return batch.removeFirst()
            }
        }
    }
}
