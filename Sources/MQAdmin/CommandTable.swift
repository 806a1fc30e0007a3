import MQSystem
import RocketMQClient

/// All commands, and how one is found and run.
public struct CommandTable: Sendable {
    /// In the order the list shows them.
    public let commands: [Command]
    let notServed: [NotServed]

    /// The commands of this release.
    public static let standard = CommandTable(
        commands: topicCommands + topicUpdateCommands + groupCommands + progressCommands + clientCommands
            + offsetCommands + connectionCommands + brokerCommands + clusterCommands + latencyCommands + messageCommands
            + printCommands + traceCommands + statsCommands + nameServerCommands + exportCommands + monitorCommands
            + replicationCommands + coldDataCommands + rocksDBCommands + dumpCommands,
        notServed: NotServed.all)

    /// The command called `name`, in any case.
    public func command(_ name: String) -> Command? {
        commands.first { $0.name.lowercased() == name.lowercased() }
    }

    /// The list of all commands.
    public var list: String {
        var text = "The most commonly used mqadmin commands are:\n"
        for command in commands { text += javaFormat("   %-35s %s%n", [command.name, command.summary]) }
        text += "\nSee 'mqadmin help <command>' for more information on a specific command.\n"
        text +=
            "Every command takes --json, those that show something --watch <seconds>; 'mqadmin completion bash|zsh' "
        text += "prints a script for the shell.\n\nNot in this release:\n"
        for command in notServed { text += javaFormat("   %-35s %s%n", [command.name, command.summary]) }
        return text
    }

    /// Runs what `words` (without the program's name) ask for.
    /// - Parameter toolsFile: path of the file with the account that requests are signed with; `nil`: nothing is signed.
    /// - Returns: the exit code: 0, or 1 after one sentence to `complain`.
    public func run(
        _ words: [String], toolsFile: String? = nil, output: Output, complain: @escaping @Sendable (String) -> Void
    ) async -> Int32 {
        guard let first = words.first else {
            output.put(list)
            return 0
        }
        switch first {
        case "help", "-h", "--help":
            guard words.count > 1 else {
                output.put(list)
                return 0
            }
            guard let command = command(words[1]) else { return unknown(words[1], complain) }
            output.put(command.help)
            return 0
        case "completion": return complete(words.dropFirst().first, output, complain)
        default:
            guard let command = command(first) else { return unknown(first, complain) }
            return await CommandRun(
                command: command, toolsFile: toolsFile, write: { output.put($0) }, complain: complain
            ).run(Array(words.dropFirst()))
        }
    }

    private func complete(_ shell: String?, _ output: Output, _ complain: (String) -> Void) -> Int32 {
        let completion = Completion(commands: commands)
        switch shell {
        case "bash": output.put(completion.bash)
        case "zsh": output.put(completion.zsh)
        default:
            complain("mqadmin completion: expected bash or zsh")
            return 1
        }
        return 0
    }

    private func unknown(_ name: String, _ complain: (String) -> Void) -> Int32 {
        let known = notServed.first { $0.name.lowercased() == name.lowercased() }
        complain(known?.sentence ?? "The sub command \(name) not exist.")
        return 1
    }
}

/// One call of a command.
struct CommandRun: Sendable {
    let command: Command
    let toolsFile: String?
    let write: @Sendable (String) -> Void
    let complain: @Sendable (String) -> Void

    /// - Returns: the exit code.
    func run(_ words: [String]) async -> Int32 {
        var nameServers: [String] = []
        do throws(ClientError) {
            let options = command.allOptions
            let arguments = try CommandArguments(words, options: options)
            if arguments.has("h") {
                write(command.help)
                return 0
            }
            try arguments.checkRequired(options)
            let interval = try arguments.integer("watch")
            guard interval != 0 else { throw .invalid("option --watch expects seconds, at least 1") }
            var client = ClientOptions(nameServers: arguments["n"])
            client.credentials = try ToolsFile.credentials(at: toolsFile)
            nameServers = client.nameServers
            // Without a name server too: what names its broker, or a file, needs none.
            let admin = Admin(link: try ClusterLink(nameServersOptional: client))
            admin.link.start()
            let failure = await repeated(every: interval, arguments, admin)
            await admin.link.shutdown()
            if let failure { throw failure }
            return 0
        } catch {
            complain(sentence(for: error, nameServers))
            return 1
        }
    }

    private func sentence(for error: ClientError, _ nameServers: [String]) -> String {
        "mqadmin \(command.name): \(explanation(of: error, nameServers: nameServers))"
    }

    /// Runs it once, or until the process ends. When it has worked once, trouble is told and it goes on.
    private func repeated(every seconds: Int64?, _ arguments: CommandArguments, _ admin: Admin) async -> ClientError? {
        var hasWorked = false
        while true {
            let failure = await once(arguments, admin)
            guard let seconds, failure == nil || hasWorked else { return failure }
            if let failure {
                complain(sentence(for: failure, admin.link.options.nameServers))
            }
            hasWorked = true
            do { try await Task.sleep(for: .seconds(seconds)) } catch { return nil }
            if !arguments.has("json") { write("\n") }
        }
    }

    private func once(_ arguments: CommandArguments, _ admin: Admin) async -> ClientError? {
        let output = Output(json: arguments.has("json"), keepsText: command.isListing, write)
        do {
            try await command.run(arguments, admin, output)
            output.finish()
            return nil
        } catch let error as ClientError {
            return error
        } catch {
            return .invalid("\(error)")
        }
    }
}

/// `mqadmin`: runs the command of this process's arguments and ends the process. Main thread only.
public func runAdmin() -> Never {
    let words = Array(CommandLine.arguments.dropFirst())
    let code = Monitor<Int32?>(nil)
    Task.detached {
        let result = await CommandTable.standard.run(
            words, toolsFile: ToolsFile.path, output: Output { ThisProcess.put($0) },
            complain: { ThisProcess.complain($0) })
        code.signal {
            $0 = result
            return true
        }
    }
    ThisProcess.exit(code.wait { $0 } ?? 1)
}
