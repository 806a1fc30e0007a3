import BenchWire
import Testing

@testable import LoadGenerator

@Suite struct LoadOptionsTests {
    @Test func `a full command line is read`() throws {
        let line =
            "both --namesrv localhost:9876 --topic t --topics 3 --queues 4 --size 4k --connections 2 --window 8 "
            + "--rate 2500.5 --duration 1.5 --warmup 0 --watch 12,13 --json out.json --no-wait --v1 --from min"
        let options = try LoadOptions.parse(line.split(separator: " ").map(String.init))
        #expect(options.mode == .both)
        #expect(options.nameServer?.description == "127.0.0.1:9876")
        #expect(options.topics == ["t_0", "t_1", "t_2"])
        #expect(options.bodyByteCount == 4096 && options.rate == 2500.5 && options.duration == 1_500_000_000)
        #expect(options.watched == [12, 13] && options.warmup == 0 && options.start == .min)
        #expect(!options.waitsForStore && options.usesFirstSendCode)
    }

    @Test func `filters, pops and transactions`() throws {
        let filter = try LoadOptions.parse([
            "consume", "--broker", "127.0.0.1:1", "--sql", "a = 'b' AND c > 3", "--pop",
        ])
        #expect(filter.expression == "a = 'b' AND c > 3" && filter.pops && !filter.isTransactional)
        #expect(try LoadOptions.parse(["produce", "--broker", "127.0.0.1:1", "--transactions"]).isTransactional)
        #expect(throws: UsageError(sentence: "--sql cannot be \"a = \"b\"\"")) {
            try LoadOptions.parse(["consume", "--broker", "127.0.0.1:1", "--sql", "a = \"b\""])
        }
    }

    @Test(arguments: [
        ("", "the first word must be produce, consume or both"),
        ("send", "the first word must be produce, consume or both"),
        ("produce", "give one of --namesrv and --broker"),
        ("produce --broker 127.0.0.1:1 --namesrv 127.0.0.1:2", "give one of --namesrv and --broker"),
        ("produce --broker nowhere", "--broker cannot be \"nowhere\""),
        ("produce --broker 127.0.0.1:0", "--broker cannot be \"127.0.0.1:0\""),
        ("produce --windows 3", "--windows is not an option"),
        ("produce --window", "--window needs a value"),
        ("produce --window 0", "--window cannot be \"0\""),
        ("produce --size 99999999999999999999k", "--size cannot be \"99999999999999999999k\""),
        ("produce --size 9223372036854775807m", "--size cannot be \"9223372036854775807m\""),
        ("produce --rate nan", "--rate cannot be \"nan\""),
        ("produce --watch 1,x", "--watch cannot be \"1,x\""),
        ("produce --topic a/b", "--topic cannot be \"a/b\""),
        ("both --broker 127.0.0.1:1 --count 5", "--count works with produce or consume, not with both"),
    ])
    func `a bad command line is refused in one sentence`(line: String, sentence: String) {
        #expect(throws: UsageError(sentence: sentence)) {
            try LoadOptions.parse(line.split(separator: " ").map(String.init))
        }
    }
}
