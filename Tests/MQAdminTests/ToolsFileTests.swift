import MQProtocol
import MQSystem
import MQTestKit
import RocketMQClient
import Testing

@testable import MQAdmin

/// `conf/tools.yml`: how it is read, and that requests are signed with what it says.
@Suite struct ToolsFileTests {
    private func read(_ text: String) throws -> [String] {
        let file = try ToolsFile(text, name: "tools.yml")
        return [file.accessKey, file.secretKey]
    }

    private func refusal(_ text: String) -> String? {
        do throws(ClientError) {
            _ = try ToolsFile(text, name: "tools.yml")
            return nil
        } catch {
            return error.description
        }
    }

    @Test func `the file is read as YAML reads it`() throws {
        let usual =
            "# The account\r\naccessKey: rocketmq2\r\nsecretKey: 12345678   # a comment\r\n\r\nother: [1, 2]\r\n"
        #expect(try read(usual) == ["rocketmq2", "12345678"])
        #expect(try read("---\naccessKey: 'it''s # me'\nsecretKey: \"0123 \"\n...\n") == ["it's # me", "0123 "])
        #expect(try read("accessKey: a#b\nsecretKey: x y:z\n") == ["a#b", "x y:z"])
        #expect(try read("accessKey:\nsecretKey: ~\n") == ["", ""])
        #expect(try read("") == ["", ""])
    }

    @Test(
        arguments: [
            "0123", "1_000", "1e3", "12:30", "0x1F", "2024-01-01", "yes", "[a]", "{a}", "&a", "'a", "'a' b", "a: b",
        ]
    )
    func `what YAML reads as something else is refused, with the line`(value: String) {
        #expect(
            refusal("accessKey: a\nsecretKey: \(value)\n")?.contains(
                "tools.yml, line 2: the value of secretKey is no simple text") == true)
    }

    @Test func `a line that is none is refused`() {
        #expect(refusal("accessKey\n")?.contains("line 1: expected name: value") == true)
        #expect(refusal("accessKey:a\n")?.contains("line 1: expected a blank behind accessKey:") == true)
    }

    @Test func `every request of a command is signed, and none without a file`() async throws {
        let seen = Lock<[RemotingCommand]>([])
        let server = try ScriptedServer { request, _ in
            seen.withLock { $0.append(request) }
            return RemotingCommand(.success, body: Array(#"{"topicList":["TopicTest"]}"#.utf8))
        }
        let folder = try TemporaryFolder()
        let path = folder.path + "/tools.yml"
        try File.replace(path, with: Array("accessKey: RocketMQ\nsecretKey: 12345678\n".utf8))

        // HMAC-SHA1 by another hand, over the fields' values in the order of their names.
        #expect(await server.admin(["topicList"], toolsFile: path).code == 0)
        let list = seen.withLock { $0.first }
        #expect(list?["AccessKey"] == "RocketMQ" && list?["Signature"] == "IUc8rrO/0gDch8CjObLQsW2rsiA=")
        seen.withLock { $0 = [] }
        _ = await server.admin(["topicRoute", "-t", "TopicTest"], toolsFile: path)
        let route = seen.withLock { $0.first }
        #expect(route?.fields.map(\.name).sorted() == ["AccessKey", "Signature", "acceptStandardJsonOnly", "topic"])
        #expect(route?["Signature"] == "ZdiR1korMntc8xLq4+f2OdEHGQM=")

        seen.withLock { $0 = [] }
        #expect(await server.admin(["topicList"], toolsFile: folder.path + "/none").code == 0)
        #expect(await server.admin(["topicList"]).code == 0)
        try File.replace(path, with: Array("accessKey: RocketMQ\nsecretKey:\n".utf8))
        #expect(await server.admin(["topicList"], toolsFile: path).code == 0, "as Java: not signed")
        let unsigned = seen.withLock { $0 }
        #expect(unsigned.count == 3 && unsigned.allSatisfy { $0["Signature"] == nil && $0["AccessKey"] == nil })

        try File.replace(path, with: Array("accessKey: [\n".utf8))
        let broken = await server.admin(["topicList"], toolsFile: path)
        #expect(broken.code == 1 && broken.errors.contains("\(path), line 1"), "\(broken.errors)")
    }
}
