/// Keys of `broker.conf` about reads from the disk: how far they reach ahead, and how much of them a group may have.
///
/// Source: `BrokerConfig.java`, `MessageStoreConfig.java`, RocketMQ 5.3.
public enum ColdDataKeys {
    /// What one group may read.
    public static let cgColdReadThreshold = ConfigKey<Int>.integer(
        "cgColdReadThreshold", default: 3 << 20, in: 0...(1 << 40), unit: "bytes",
        "What a group may read from the disk in 5 s with coldDataFlowControlEnable, unless mqadmin "
            + "updateColdDataFlowCtrGroupConfig says otherwise."
    ).live
    /// What all groups may read.
    public static let globalColdReadThreshold = ConfigKey<Int>.integer(
        "globalColdReadThreshold", default: 100 << 20, in: 0...(1 << 40), unit: "bytes",
        "What all groups together may read from the disk in 5 s with coldDataFlowControlEnable."
    ).live
    /// Whether reads from the disk are bounded.
    public static let coldDataFlowControlEnable = ConfigKey<Bool>.flag(
        "coldDataFlowControlEnable", default: false,
        "Pulls that must read from the disk wait when their group has read its share. Nothing is read ahead then."
    ).live
    /// Whether more is read than was asked for.
    public static let dataReadAheadEnable = ConfigKey<Bool>.flag(
        "dataReadAheadEnable", default: true,
        "A pull that must read from the disk begins to read what its consumer will ask for next."
    ).live

    /// Keys of `BrokerConfig`.
    static let broker: [ConfigDeclaration] = [cgColdReadThreshold.declaration, globalColdReadThreshold.declaration]
    /// Keys of `MessageStoreConfig`.
    static let store: [ConfigDeclaration] = [coldDataFlowControlEnable.declaration, dataReadAheadEnable.declaration]
}
