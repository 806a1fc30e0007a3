import MQSystem
import RocketMQClient
import Testing

@testable import MQAdmin

@Suite struct CommandTests {
    private let options: [CommandOption] = [
        .value("t", "topic", "", required: true), .flag("l", "list", ""),
        .value("b", "brokerAddr", "", group: "target"), .value("c", "clusterName", "", group: "target"),
    ]

    private func refusal(_ words: [String]) -> String? {
        do throws(ClientError) {
            try CommandArguments(words, options: options).checkRequired(options)
            return nil
        } catch {
            return error.description
        }
    }

    @Test func `options are read in their four spellings`() throws {
        let arguments = try CommandArguments(
            ["-t", " x ", "--brokerAddr=1.2.3.4:5", "-l"], options: options)
        #expect(arguments["t"] == "x")
        #expect(arguments["b"] == "1.2.3.4:5")
        #expect(arguments.has("l"))
        #expect(try CommandArguments(["--topic", "a=b", "-c", "-1"], options: options)["c"] == "-1")
    }

    @Test func `what RocketMQ's commands take beyond that is read too`() throws {
        #expect(try CommandArguments(["-tTopic=1"], options: options)["t"] == "Topic=1")
        #expect(try CommandArguments(["-t=x"], options: options)["t"] == "x")
        #expect(try CommandArguments(["-topic", "x"], options: options)["t"] == "x")
        #expect(try CommandArguments(["--top", "x"], options: options)["t"] == "x")
        let together = try CommandArguments(["-ltx"], options: options)
        #expect(together.has("l") && together["t"] == "x")
        #expect(refusal(["-lx"]) == "Unrecognized option: -x")
        #expect(refusal(["--list=yes"]) == "option --list=yes takes no value")
        #expect(refusal(["--"]) == "Unrecognized option: --")
        #expect(refusal(["--nope"]) == "Unrecognized option: --nope")
    }

    @Test(arguments: [
        (["-x"], "Unrecognized option: -x"), (["word"], "unexpected argument word"),
        (["-t"], "Missing argument for option: t"), (["-b", "1"], "Missing required option: -t (topic)"),
        (["-t", "x"], "Missing required option: -b (brokerAddr) or -c (clusterName)"),
        (["-t", "x", "-b", "1", "-c", "2"], "only one of -b (brokerAddr) or -c (clusterName) may be given"),
    ])
    func `wrong options are named`(words: [String], sentence: String) {
        #expect(refusal(words) == sentence)
    }

    @Test func `numbers and truth values are checked`() throws {
        let arguments = try CommandArguments(["-t", "12x", "-b", "TRUE"], options: options)
        #expect(throws: ClientError.self) { try arguments.integer("t") }
        #expect(throws: ClientError.self) { try arguments.bool("t") }
        #expect(try arguments.bool("b") == true)
        #expect(try arguments.integer("c") == nil)
    }

    /// Runs mqadmin's table as the executable does.
    private func run(_ words: String...) async -> (code: Int32, output: String, errors: String) {
        let output = Lock("")
        let errors = Lock("")
        let code = await CommandTable.standard.run(
            words, output: Output { text in output.withLock { $0 += text } },
            complain: { text in errors.withLock { $0 += text } })
        return (code, output.withLock { $0 }, errors.withLock { $0 })
    }

    @Test func `no arguments list the commands`() async {
        let result = await run()
        #expect(result.code == 0)
        #expect(result.output.hasPrefix("The most commonly used mqadmin commands are:\n   topicList "))
        #expect(
            result.output.contains("\nSee 'mqadmin help <command>' for more information on a specific command.\n"))
    }

    @Test func `commands are found in any case and explain themselves`() async {
        for words in [["help", "CLUSTERLIST"], ["clusterlist", "-h"]] {
            let result = words[0] == "help" ? await run("help", "CLUSTERLIST") : await run("clusterlist", "-h")
            #expect(result.code == 0)
            #expect(
                result.output.hasPrefix(
                    "usage: mqadmin clusterList [-c <arg>] [-h] [-i <arg>] [--json] [-m] [-n <arg>] [--watch <arg>]\n"))
        }
        let result = await run("updateTopic", "-h")
        #expect(result.output.hasPrefix("usage: mqadmin updateTopic [-a <arg>] -b <arg> | -c <arg> [-h]"))
    }

    @Test func `an unknown command is said to be unknown`() async {
        let result = await run("noSuchThing")
        #expect(result.code == 1)
        #expect(result.errors == "The sub command noSuchThing not exist.")
    }

    @Test func `a command for a mode that is not there is answered with one sentence`() async {
        let result = await run("updateStaticTopic", "-t", "t")
        #expect(result.code == 1 && result.output.isEmpty)
        #expect(
            result.errors
                == "mqadmin updateStaticTopic: this release has no static topics; nothing was done"
        )
        let list = await run("help")
        #expect(list.output.contains("\nNot in this release:\n   updateStaticTopic "))
    }

    @Test func `JSON without an answer is no document`() async {
        let result = await run("topicList", "--json", "-n", "127.0.0.1:1")
        #expect(result.code == 1 && result.output.isEmpty)
    }

    @Test(arguments: ["0", "-1", "soon"])
    func `a bad interval is refused`(interval: String) async {
        let result = await run("topicList", "--watch", interval, "-n", "127.0.0.1:1")
        #expect(result.code == 1)
        #expect(result.errors.contains("watch"))
    }

    @Test func `what changes something is not repeated`() async {
        let result = await run("deleteTopic", "-t", "t", "-c", "c", "--watch", "1")
        #expect(result.errors == "mqadmin deleteTopic: Unrecognized option: --watch")
    }

    @Test func `a name server that is away makes one sentence and a failure`() async {
        let result = await run("clusterList", "-n", "127.0.0.1:1")
        #expect(result.code == 1)
        #expect(result.output.isEmpty)
        #expect(result.errors.hasPrefix("mqadmin clusterList: name server down: no name server answers at 127.0.0.1:1"))
        #expect(!result.errors.contains("\n"))
    }

    @Test func `no two commands or options share a name`() {
        let served = CommandTable.standard.commands.map { $0.name.lowercased() }
        let names = served + NotServed.all.map { $0.name.lowercased() }
        #expect(Set(names).count == names.count)
        for command in CommandTable.standard.commands {
            let all = command.allOptions
            #expect(Set(all.map(\.short)).count == all.count, "\(command.name)")
            #expect(Set(all.map(\.long)).count == all.count, "\(command.name)")
        }
    }
}
