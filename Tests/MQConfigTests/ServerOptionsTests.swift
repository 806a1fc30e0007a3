import Testing

@testable import MQConfig

@Suite struct ServerOptionsTests {
    @Test(arguments: [
        ["-n", "a:1;b:2", "-c", "f"], ["-na:1;b:2", "-cf"], ["-n=a:1;b:2", "-c=f"],
        ["--namesrvAddr", "a:1;b:2", "--configFile=f"], ["-namesrvAddr", "a:1;b:2", "-configFile=f"],
    ])
    func `values stand behind an option or on it`(words: [String]) throws {
        let options = try ServerOptions(words)
        #expect(options.nameServers == "a:1;b:2" && options.configFile == "f")
        #expect(!options.printsAll && !options.wantsHelp && !options.wantsProxy)
    }

    @Test func `flags have no value`() throws {
        let options = try ServerOptions(["-p", "-m", "-help", "--enable-proxy"], takesProxy: true)
        #expect(options.printsAll && options.printsImportant && options.wantsHelp && options.wantsProxy)
    }

    @Test(arguments: [
        (["-x"], "unknown option -x"), (["--enable-proxy"], "unknown option --enable-proxy"),
        (["word"], "unknown option word"), (["-p=1"], "unknown option -p=1"), (["-"], "unknown option -"),
        (["--"], "unknown option --"), ([""], "unknown option "), (["-c"], "-c wants a value"),
    ])
    func `what is no option is named`(words: [String], sentence: String) {
        #expect {
            try ServerOptions(words)
        } throws: { error in
            "\(error)" == sentence
        }
    }
}
