public import MQCompression

extension Producer {
    /// How a producer sends.
    public struct Options: Sendable {
        /// How long one send may take, its retries and its waiting for room included.
        public var sendTimeout: Duration = .seconds(3)
        /// Further tries at other queues after a failure.
        public var retries = 2
        /// Bodies of this many bytes and more are compressed; `nil` never.
        public var compressFrom: Int? = 4096
        /// How they are compressed. Brokers do not care; all consumers must know the codec.
        public var compression = CompressionCodec.zlib
        /// The codec's level.
        public var compressLevel = 5
        /// Larger bodies are refused here; batches are split to stay below.
        public var bodyByteCountMax = 4 << 20
        /// Queues asked for when the broker makes the topic.
        public var defaultQueueCount = 4
        /// Whether an answer other than `SEND_OK`, which means stored but less safely, is tried elsewhere.
        public var retriesWhenNotStoredOK = false
        /// Leaves brokers alone for a while that failed or were slow (`sendLatencyFaultEnable`).
        public var avoidsSlowBrokers = false
        /// Messages on their way, all topics together; further sends wait.
        public var inFlightMax = 1024
        /// Bytes of them; further sends wait.
        public var inFlightByteCountMax = 100 << 20
        /// Tells the trace topic of each message; `nil` does not.
        public var trace: TraceOptions?

        /// RocketMQ's defaults.
        public init() {}
    }
}
