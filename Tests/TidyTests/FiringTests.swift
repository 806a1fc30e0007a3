import Testing

/// Goal: each check fires on what it is for and stays quiet on what only looks like it.
@Suite struct FiringTests {
    private static let package = """
        func module(_ name: String) {}
            targets: [
                .target(name: "CMQLinux", exclude: ["README.md"]),
                .systemLibrary(name: "CZlib", pkgConfig: "zlib"),
                module("MQBase", layer: 0),
                module("MQBytes", layer: 0, uses: ["MQBase", "CZlib"]),
                module("MQSystem", layer: 1, uses: ["MQBytes", "CMQLinux"]),
                module("MQStore", layer: 3, uses: ["MQSystem"]),
                module("MQAdmin", layer: 4, uses: ["MQStore"]),
                main("AdminMain", uses: ["MQAdmin"]),
        """
    private let checks = Checks(table: ModuleTable(packageText: package))

    private func findings(_ text: String, in module: String) -> [String] {
        checks.all(SourceText(path: "x.swift", text: text), of: module).map { "\($0.line): \($0.what)" }
    }

    @Test(arguments: [
        ("import MQSystem", "MQBytes", "1: MQBytes may not import MQSystem"),
        ("import Foundation", "MQStore", "1: MQStore may not import Foundation"),
        ("\n@preconcurrency import struct Foundation.Data", "MQStore", "2: MQStore may not import Foundation"),
        ("public import Glibc", "MQStore", "1: MQStore may not import Glibc"),
        ("import CZlib", "MQSystem", "1: MQSystem may not import CZlib"),
        ("import MQAdmin", "MQStore", "1: MQStore may not import MQAdmin"),
    ])
    func `an import above or beside the table is found`(text: String, module: String, finding: String) {
        #expect(findings(text, in: module) == [finding])
    }

    @Test(arguments: [
        ("import MQBase\nimport Synchronization\npublic import MQBytes", "MQStore"), ("import Glibc", "MQSystem"),
        ("// import Foundation\n/* import Foundation /* */ import Glibc */", "MQStore"), ("import CZlib", "MQBytes"),
        ("let text = \"\"\"\n    import Foundation\n    \"\"\"", "MQStore"), ("import MQStore", "AdminMain"),
    ])
    func `an import the table allows, or only a mention of one, is not`(text: String, module: String) {
        #expect(findings(text, in: module) == [])
    }

    @Test(arguments: [
        ("let x = unsafe pointer.pointee", "1: unsafe code outside the bottom modules"),
        ("nonisolated(unsafe) var x = 1", "1: nonisolated(unsafe) outside the bottom modules"),
        ("final class A: @unchecked Sendable {}", "1: @unchecked Sendable outside the bottom modules"),
    ])
    func `unsafe code is found above the bottom only`(text: String, finding: String) {
        #expect(findings(text, in: "MQStore") == [finding])
        #expect(findings("// @unchecked: immutable.\n" + text, in: "MQSystem") == [])
        #expect(
            findings("// unsafe nonisolated(unsafe) @unchecked Sendable\nlet unsafely = \"unsafe\"", in: "MQStore")
                == [])
    }

    @Test func `an unchecked promise without its reason is found at the bottom too`() {
        let found = findings("final class A: @unchecked Sendable {\n    let x = 1\n}", in: "MQSystem")
        #expect(found.count == 1 && found[0].contains("without a comment"))
    }

    @Test(arguments: [
        "Thread.sleep(forTimeInterval: 1)", "let lock = NSLock()", "let now = Date()", "let x = try! f()",
        "fatalError(\"no\")", "print(\"hello\")", "DispatchQueue.main.async {}",
    ])
    func `a call with a replacement is found`(text: String) {
        #expect(findings("func f() {\n    \(text)\n}", in: "MQStore").count == 1)
        #expect(findings("// \(text)", in: "MQStore") == [])
    }

    @Test func `a lock on a function is found, one on what holds functions is not`() {
        for type in ["Lock<@Sendable () -> Void>", "Lock<(@Sendable (Int) -> Void)?>", "Monitor<(() -> Void)?>"] {
            #expect(
                findings("let x = \(type)(nil)", in: "MQStore") == ["1: a lock on a function: put it into a struct"])
        }
        for type in ["Lock<[@Sendable () -> Void]>", "Lock<Listener>", "Lock<(byKey: [Int: Int], all: Int)>"] {
            #expect(findings("let x = \(type)(y)", in: "MQStore") == [])
        }
    }

    @Test func `printing is for those who talk to a terminal`() {
        #expect(findings("print(1)", in: "MQAdmin") == [])
        #expect(findings("print(1)", in: "AdminMain") == [])
        #expect(findings("page.print(1)\nfunc print(_ x: Int) {}", in: "MQStore") == [])
    }

    @Test func `strings end where they end`() {
        let text =
            ##"let a = "\("b" + ")") // \"x\""; import Foundation"## + "\n" + ##"let c = #"\" "#; let d = unsafe e"##
        let source = SourceText(path: "x.swift", text: text)
        #expect(source.code[0].contains("import Foundation") && source.code[1].contains("unsafe e"))
        #expect(!source.code[0].contains("b") && source.comments[0].allSatisfy { $0 == " " })
    }

    @Test func `a row that reaches upwards, and a C library with two wrappers, are found`() {
        let table = ModuleTable(
            packageText: """
                targets: [
                    .systemLibrary(name: "CZlib"), module("MQBase", layer: 0, uses: ["MQStore", "CZlib"]),
                    module("MQStore", layer: 3, uses: ["CZlib", "Gone"]),
                """)
        #expect(
            table.misplaced == [
                "MQBase (layer 0) uses MQStore (layer 3)", "MQStore uses Gone, which is no module",
            ])
        #expect(table.sharedCLibraries == ["CZlib"])
    }

    @Test func `a row of ARCHITECTURE.md is read as it is written`() {
        let shown = ModuleTable(
            architectureText: "| 2 | `MQJSON` | the JSON | MQBytes MQBase |\n| 0 | `MQBase` | x | – |")
        #expect(shown.modules["MQJSON"] == Module(name: "MQJSON", layer: 2, uses: ["MQBytes", "MQBase"]))
        #expect(shown.modules["MQBase"]?.uses == [])
    }
}
