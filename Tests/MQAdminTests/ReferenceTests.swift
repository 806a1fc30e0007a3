import Foundation
import Testing

@testable import MQAdmin

@Suite struct CommandReferenceTests {
    /// `scripts/reference` writes the page anew.
    @Test func `the reference page docs/reference/mqadmin.md is what the table says`() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "docs/reference/mqadmin.md")
        let page = CommandTable.standard.referencePage
        if ProcessInfo.processInfo.environment["MQ_WRITE_REFERENCE"] == "1" {
            try page.write(to: path, atomically: true, encoding: .utf8)
        }
        let committed = (try? String(contentsOf: path, encoding: .utf8)) ?? ""
        #expect(committed == page, "docs/reference/mqadmin.md is stale: run scripts/reference")
    }
}
