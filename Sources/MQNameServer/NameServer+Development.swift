import MQConfig
import MQSystem

extension NameServer {
    /// A name server on loopback for a developer's machine: everything below `folder`, no log file.
    public static func forDevelopment(port: Int, folder: String) throws -> NameServer {
        let text = """
            bindAddress=127.0.0.1
            listenPort=\(port)
            kvConfigPath=\(folder)/namesrv/kvConfig.json
            configStorePath=\(folder)/namesrv/namesrv.properties
            """
        let machine = ConfigMachine(home: ThisProcess.home, hostName: ThisProcess.hostName)
        let (values, _) = try ConfigTable.nameServer.load(text: text, fileName: "apus dev", on: machine)
        return try NameServer(config: values)
    }
}
