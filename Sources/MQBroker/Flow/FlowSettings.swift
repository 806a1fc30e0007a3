import MQConfig

/// What may wait, how many and how long, before its sender is told to slow down. Live, all of it.
public struct FlowSettings: Equatable, Sendable {
    /// What requests of one kind may do in a queue.
    struct Lane: Equatable, Sendable {
        /// As many may wait.
        var countMax: Int
        /// As long may one wait; `nil` for ever.
        var waitMilliseconds: Int64?
    }

    /// Sends that wait for the flush, by `sendThreadPoolQueueCapacity`, in each loop.
    var sendCountMax: Int
    /// About the memory that sends may take while they wait for the flush, bytes, in each loop. Not RocketMQ's.
    var sendByteCountMax = 64 << 20
    /// Pops and acks that wait for the sync of pop's journal, by `ackThreadPoolQueueCapacity`, in each loop.
    var ackCountMax: Int
    /// `osPageCacheBusyTimeOutMills`.
    var busyMilliseconds: Int64
    private var lanes: [Lane]

    init(_ values: ConfigValues) {
        let refusesLate = values[FlowKeys.brokerFastFailureEnable]
        func lane(_ count: ConfigKey<Int>, _ wait: ConfigKey<Duration>?) -> Lane {
            Lane(countMax: values[count], waitMilliseconds: refusesLate ? wait.map { values[$0].milliseconds } : nil)
        }
        sendCountMax = values[FlowKeys.sendThreadPoolQueueCapacity]
        ackCountMax = values[FlowKeys.ackThreadPoolQueueCapacity]
        busyMilliseconds = values[FlowKeys.osPageCacheBusyTimeOutMills].milliseconds
        lanes = WorkLane.allCases.map { kind in
            switch kind {
            case .send: lane(FlowKeys.sendThreadPoolQueueCapacity, FlowKeys.waitInSendQueue)
            case .pull: lane(FlowKeys.pullThreadPoolQueueCapacity, FlowKeys.waitInPullQueue)
            case .litePull: lane(FlowKeys.litePullThreadPoolQueueCapacity, FlowKeys.waitInLitePullQueue)
            case .transaction: lane(FlowKeys.endTransactionPoolQueueCapacity, FlowKeys.waitInTransactionQueue)
            case .query: lane(FlowKeys.queryThreadPoolQueueCapacity, nil)
            case .admin: lane(FlowKeys.adminBrokerThreadPoolQueueCapacity, FlowKeys.waitInAdminBrokerQueue)
            }
        }
    }

    subscript(_ lane: WorkLane) -> Lane { lanes[lane.rawValue] }
}

/// The kinds of requests that wait for a thread. The names are those of RocketMQ's thread pools.
enum WorkLane: Int, CaseIterable, Sendable {
    /// CONSUMER_SEND_MSG_BACK.
    case send
    /// PULL_MESSAGE and POP_MESSAGE.
    case pull
    /// LITE_PULL_MESSAGE.
    case litePull
    /// END_TRANSACTION.
    case transaction
    /// QUERY_MESSAGE and VIEW_MESSAGE_BY_ID. Nobody gives up on one.
    case query
    /// Everything else.
    case admin
}
