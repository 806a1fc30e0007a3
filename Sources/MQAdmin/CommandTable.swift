import MQSystem
import RocketMQClient

/// All commands, and how one is found and run.
public struct CommandTable: Sendable {
    /// In the order the list shows them.
    public let commands: [Command]

    /// The commands of this release.
    public static let standard = CommandTable(
        commands: topicCommands + groupCommands + connectionCommands + brokerCommands + clusterCommands
            + messageCommands + printCommands + nameServerCommands)

    /// The command called `name`, in any case.
    public func command(_ name: String) -> Command? {
        commands.first { $0.name.lowercased() == name.lowercased() }
    }

    /// The list of all commands.
    public var list: String {
        var text = "The most commonly used mqadmin commands are:\n"
        for command in commands { text += javaFormat("   %-35s %s%n", [command.name, command.summary]) }
        return text + "\nSee 'mqadmin help <command>' for more information on a specific command.\n"
    }

    /// Runs what `words` (without the program's name) ask for.
    /// - Returns: the exit code: 0, or 1 after one sentence to `complain`.
    public func run(_ words: [String], output: Output, complain: @Sendable (String) -> Void) async -> Int32 {
        guard let first = words.first else {
            output.put(list)
            return 0
        }
        if first == "help" || first == "-h" || first == "--help" {
            guard words.count > 1 else {
                output.put(list)
                return 0
            }
            guard let command = command(words[1]) else { return unknown(words[1], complain) }
            output.put(command.help)
            return 0
        }
        guard let command = command(first) else { return unknown(first, complain) }
        do throws(ClientError) {
            let options = command.options + CommandOption.common
            let arguments = try CommandArguments(Array(words.dropFirst()), options: options)
            if arguments.has("h") {
                output.put(command.help)
                return 0
            }
            try arguments.checkRequired(options)
            try await run(command, arguments, output)
            return 0
        } catch {
            complain("mqadmin \(command.name): \(error)")
            return 1
        }
    }

    private func run(_ command: Command, _ arguments: CommandArguments, _ output: Output) async throws(ClientError) {
        let admin = Admin(link: try ClusterLink(ClientOptions(nameServers: arguments["n"])))
        admin.link.start()
        let failure: ClientError?
        do {
            try await command.run(arguments, admin, output)
            failure = nil
        } catch let error as ClientError {
            failure = error
        } catch {
            failure = .invalid("\(error)")
        }
        await admin.link.shutdown()
        if let failure { throw failure }
    }

    private func unknown(_ name: String, _ complain: (String) -> Void) -> Int32 {
        complain("The sub command \(name) not exist.")
        return 1
    }
}

/// `mqadmin`: runs the command of this process's arguments and ends the process. Main thread only.
public func runAdmin() -> Never {
    let words = Array(CommandLine.arguments.dropFirst())
    let code = Monitor<Int32?>(nil)
    Task.detached {
        let result = await CommandTable.standard.run(
            words, output: Output { ThisProcess.put($0) }, complain: { ThisProcess.complain($0) })
        code.signal {
            $0 = result
            return true
        }
    }
    ThisProcess.exit(code.wait { $0 } ?? 1)
}
