import Foundation
import MQBase
import MQTestKit
import Testing

@testable import MQStoreTool

/// Goal: what is printed is what is stored, in a form that people and programs read. Method: a store of Java's.
@Suite struct PrintTests {
    private let store: StoreCopy

    init() throws { store = try StoreCopy() }

    @Test func `a record is printed with all its fields`() throws {
        let message = try store.message()
        let result = store.run("dump", "log", "--from=\(message.physicalOffset)", "--limit=1", "--body=text", "--json")
        #expect(result.code == 0, "\(result.errors)")
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
        #expect(object["offset"] as? Int == message.physicalOffset)
        #expect(object["topic"] as? String == "gold_normal")
        #expect(object["queueId"] as? Int == 1)
        #expect(object["queueOffset"] as? Int == 5)
        #expect(object["magic"] as? String == "0xDAA320A7")
        #expect(object["bodyIntact"] as? Bool == true)
        #expect((object["properties"] as? [String: String])?["UNIQ_KEY"] == "7F00000100004F25000000000000002B")
        #expect((object["body"] as? String)?.utf8.count == 19)
        #expect(
            store.run("dump", "log", "--from=\(message.physicalOffset)", "--limit=1").output.hasPrefix(
                "offset=14381 size=284 magic=0xDAA320A7 topic=gold_normal queueId=1 queueOffset=5 physicalOffset=14381 "
            ))
    }

    @Test func `filters choose by topic, queue, key and offset`() throws {
        func count(_ arguments: String...) -> Int {
            var output = ""
            let code = StoreCommand.run(
                ["dump", store.root] + arguments, output: { output += $0 }, complain: { _ in })
            #expect(code == 0)
            return output.split(separator: "\n").count
        }
        #expect(count("log") == store.recordCount)
        #expect(count("log", "--topic=gold_normal", "--queue=1") == 200)
        #expect(count("log", "--topic=gold_normal", "--key=k42") == 1)
        #expect(count("log", "--to=696") == 3)
        #expect(count("queue", "--topic=gold_single-q") == 350)
        #expect(count("queue", "--topic=gold_single-q", "--from=300", "--to=310") == 10)
        #expect(count("queue", "--limit=7") == 7)
        #expect(count("index", "--topic=gold_normal", "--key=k42") == 1)
        #expect(count("index") == 4980)
        #expect(count("checkpoint") == 1)
        #expect(count("config") == 6)
    }

    @Test func `units and entries are printed with their meaning`() throws {
        let unit = store.run("dump", "queue", "--topic=gold_normal", "--queue=1", "--from=5", "--limit=1").output
        #expect(
            unit == "topic=gold_normal queueId=1 queueOffset=5 physicalOffset=14381 size=284 tagsCode=2598919 "
                + "meaning=hash of the tags\n")
        let due = store.run("dump", "queue", "--topic=SCHEDULE_TOPIC_XXXX", "--limit=1").output
        #expect(due.contains("meaning=due 2026-"))
        let entry = store.run("dump", "index", "--topic=gold_normal", "--key=k42", "--json").output
        let object = try #require(try JSONSerialization.jsonObject(with: Data(entry.utf8)) as? [String: Any])
        #expect(object["physicalOffset"] as? Int == 14381)
        #expect((object["keyHash"] as? Int ?? -1) % 1000 == object["slot"] as? Int)
    }

    @Test func `stat adds up topics, the largest first`() throws {
        let result = store.run("stat", "--json", "--deep")
        #expect(result.code == 0, "\(result.errors)")
        let object = try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
        let topics = try #require(object["topics"] as? [[String: Any]])
        let normal = try #require(topics.first { $0["topic"] as? String == "gold_normal" })
        let messages = try #require(store.queues["gold_normal"]).values.flatMap { $0 }
        #expect(normal["queues"] as? Int == 4)
        #expect(normal["messages"] as? Int == messages.count)
        #expect(normal["bytes"] as? Int == messages.reduce(0) { $0 + $1.size })
        #expect(normal["logBytes"] as? Int == messages.reduce(0) { $0 + $1.size })
        let sizes = topics.map { $0["bytes"] as? Int ?? 0 }
        #expect(sizes == sizes.sorted(by: >))
        #expect(object["logEnd"] as? Int == store.endOfLastRecord)
        #expect(store.run("stat").output.contains("gold_normal: 4 queues, offsets 0 to 200, 794 messages"))
    }

    @Test func `verify prints one object a line and a summary`() throws {
        try store.flip(store.unitPlace(try store.message()), 7)
        let result = store.run("verify", "--json", "--index-slots=1000")
        #expect(result.code == 1)
        let lines = try result.output.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
        #expect(lines.first?["finding"] as? String == "queue.wrong-unit")
        #expect(lines.first?["offset"] as? Int == 100)
        #expect(lines.last?["sound"] as? Bool == false)
        #expect(lines.last?["errors"] as? Int == 1)
    }

    @Test func `progress tells percent, rate and time left, and takes itself away`() {
        var drawn = ""
        let progress = Progress("verify", total: 1000 << 20, isShown: true, now: Instant(nanoseconds: 0)) {
            drawn += $0
        }
        progress.advance(100 << 20, now: Instant(nanoseconds: 1_000_000_000))
        #expect(drawn == "\r\u{1B}[Kverify 10 % 104 MB/s 0:09 left")
        progress.clear()
        #expect(drawn.hasSuffix("\r\u{1B}[K"))
        var hidden = ""
        Progress("verify", total: 10, isShown: false) { hidden += $0 }.advance(10)
        #expect(hidden == "")
    }

    @Test func `sizes come from a broker's file`() throws {
        let path = store.folder.path + "/broker.conf"
        try "mappedFileSizeCommitLog=1048576\nmaxHashSlotNum = 1000\nmessageDelayLevel=1s 2m 3h 1d\n"
            .write(toFile: path, atomically: false, encoding: .utf8)
        let settings = try CommandLineOptions(["-c", path], values: [], flags: []).settings()
        #expect(settings.logFileByteCount == 1 << 20)
        #expect(settings.indexSlotCount == 1000)
        #expect(settings.delayLevels == [1000, 120_000, 10_800_000, 86_400_000])
    }

    @Test(.enabled(if: Machine.has("mqstore"))) func `the executable's exit codes say how it went`() async throws {
        func run(_ arguments: String...) async throws -> Command {
            try await Command.run(
                Machine.executable("mqstore"), arguments, environment: ProcessInfo.processInfo.environment,
                in: store.folder.url)
        }
        let sound = try await run("verify", store.root)
        #expect(sound.status == 0)
        #expect(sound.output.hasSuffix("sound\n"))
        #expect(sound.errors == "")
        let same = try await Command.run(
            Machine.executable("apus"), ["store", "verify", store.root],
            environment: ProcessInfo.processInfo.environment, in: store.folder.url)
        #expect(same.status == 0)
        #expect(same.output.hasSuffix("sound\n"))
        // A broker that runs: another process holds the lock.
        let holder = Process()
        holder.executableURL = URL(filePath: "/usr/bin/env")
        holder.arguments = [
            "python3", "-c",
            "import fcntl,sys; f=open(sys.argv[1],'w'); fcntl.lockf(f,fcntl.LOCK_EX,1); print('held',flush=True); sys.stdin.read()",
            store.path("lock"),
        ]
        let (input, output) = (Pipe(), Pipe())
        holder.standardInput = input
        holder.standardOutput = output
        try holder.run()
        #expect(output.fileHandleForReading.availableData.count > 0)
        let locked = try await run("verify", store.root)
        #expect(locked.status == 2)
        #expect(locked.errors.contains("\(holder.processIdentifier)"))
        #expect(try await run("verify", store.root, "--live").status == 0)
        #expect(try await run("repair", store.root).status == 2)
        try input.fileHandleForWriting.close()
        holder.waitUntilExit()
        try store.flip(store.unitPlace(try store.message()), 7)
        #expect(try await run("verify", store.root).status == 1)
        #expect(try await run("repair", store.root).status == 0)
        #expect(try await run("verify", store.root).status == 0)
        #expect(try await run("verify", "/nowhere").status == 2)
    }
}
