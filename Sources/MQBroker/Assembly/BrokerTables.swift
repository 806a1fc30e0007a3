import MQObserve

/// The tables a broker keeps beside its log, read from `<root>/config` and written there.
struct BrokerTables: Sendable {
    let topics: TopicTable
    let groups: GroupTable
    let offsets: OffsetTable
    let clients: ClientTable
    let filters: ConsumerFilterTable
    /// What groups read from the disk; not stored.
    let coldData = ColdData()

    /// Reads what is stored; `queueCounts` says what topics the log knows, `batchTopics` which of them hold batches.
    init(
        _ config: LiveConfig, files: ConfigFiles, queueCounts: [String: Int], batchTopics: Set<String> = [], log: Log
    ) throws(BrokerStartError) {
        (topics, groups, offsets) = try BrokerStartError.wrap {
            (
                try TopicTable(config, stored: files.load(TopicTable.fileName), log: log),
                try GroupTable(config, stored: files.load(GroupTable.fileName), log: log),
                try OffsetTable(config, stored: OffsetTable.stored(in: files), log: log)
            )
        }
        topics.adopt(queueCounts, batchTopics: batchTopics)
        let clients = ClientTable(limits: config.current.limits)
        self.clients = clients
        filters = try BrokerStartError.wrap {
            try ConsumerFilterTable(
                config, expressions: clients.expressions, stored: files.load(ConsumerFilterTable.fileName), log: log)
        }
        topics.persist(to: files)
        groups.persist(to: files)
        offsets.persist(to: files)
        filters.persist(to: files)
    }
}
