import MQConfig
import MQObserve
import MQSystem

extension Broker {
    /// A broker on loopback for a developer's machine: small files, everything below `folder`, no log file.
    public static func forDevelopment(port: Int, nameServer: String, folder: String) throws -> Broker {
        let text = """
            brokerName=broker-a
            brokerIP1=127.0.0.1
            brokerIP2=127.0.0.1
            bindAddress=127.0.0.1
            listenPort=\(port)
            namesrvAddr=\(nameServer)
            storePathRootDir=\(folder)/store
            mappedFileSizeCommitLog=\(64 << 20)
            """
        let machine = ConfigMachine(home: ThisProcess.home, hostName: ThisProcess.hostName)
        let (values, _) = try ConfigTable.broker.load(text: text, fileName: "apus dev", on: machine)
        return try Broker(LiveConfig(values), log: .silent)
    }
}
