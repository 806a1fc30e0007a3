import MQProtocol
import RocketMQClient

let nameServerCommands: [Command] = [
    .listing("getNamesrvConfig", "Get configs of name server.") { _, admin, output in
        for address in try admin.nameServers {
            let entries = try await admin.nameServerConfiguration(at: address)
            show(entries, of: address, "============\(address)============", output)
        }
    },
    Command(
        "updateNamesrvConfig", "Update configs of name server.",
        [.value("k", "key", "config key", required: true), .value("v", "value", "config value", required: true)]
    ) { arguments, admin, output in
        let (key, value) = (try arguments.text("k"), try arguments.text("v"))
        try await admin.setNameServerConfiguration(key, value)
        let servers = try admin.nameServers.joined(separator: ", ")
        output.print("update name server config success![%s]%n%s : %s%n", servers, key, value)
    },
    Command(
        "updateKvConfig", "Create or update KV config.",
        [
            .value("s", "namespace", "set the namespace", required: true),
            .value("k", "key", "set the key name", required: true),
            .value("v", "value", "set the key value", required: true),
        ]
    ) { arguments, admin, output in
        try await admin.setValue(
            try arguments.text("v"), of: try arguments.text("k"), namespace: try arguments.text("s"))
        output.print("create or update kv config to namespace success.%n")
    },
    Command(
        "deleteKvConfig", "Delete KV config.",
        [
            .value("s", "namespace", "set the namespace", required: true),
            .value("k", "key", "set the key name", required: true),
        ]
    ) { arguments, admin, output in
        try await admin.setValue(nil, of: try arguments.text("k"), namespace: try arguments.text("s"))
        output.print("delete kv config from namespace success.%n")
    },
    Command(
        "wipeWritePerm", "Wipe write perm of broker in all name server you defined in the -n param.",
        [.value("b", "brokerName", "broker name", required: true)]
    ) { arguments, admin, output in
        try await setWritePermission(false, arguments, admin, output)
    },
    Command(
        "addWritePerm", "Add write perm of broker in all name server you defined in the -n param.",
        [.value("b", "brokerName", "broker name", required: true)]
    ) { arguments, admin, output in
        try await setWritePermission(true, arguments, admin, output)
    },
]

private func setWritePermission(
    _ isWritable: Bool, _ arguments: CommandArguments, _ admin: Admin, _ output: Output
) async throws(ClientError) {
    let broker = try arguments.text("b")
    for server in try admin.nameServers {
        let count = try await admin.setWritePermission(isWritable, ofBroker: broker, atNameServer: server)
        output.print(
            "%s write perm of broker[%s] in name server[%s] OK, %d%n", isWritable ? "add" : "wipe", broker, server,
            count)
    }
}
