import Foundation
import Testing

/// Goal: what silently rots fails here: layering, unsafe code creeping upwards, calls that have a replacement, modules
/// without a word about themselves. Method: read the tree; sizes, names and taste are for readers to judge.
@Suite struct TreeTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    private let table: ModuleTable

    init() throws { table = ModuleTable(packageText: try Self.text("Package.swift")) }

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    /// Folder of each module under Sources, by module name; executables are in Sources/Mains.
    private func folders() throws -> [String: String] {
        var found: [String: String] = [:]
        for parent in ["Sources", "Sources/Mains"] {
            let folder = Self.root.appending(path: parent)
            guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder.path) else { continue }
            for name in names where name != "Mains" { found[name] = "\(parent)/\(name)" }
        }
        return found
    }

    private func swiftFiles(in folder: String) -> [String] {
        guard let walk = FileManager.default.enumerator(atPath: Self.root.appending(path: folder).path) else {
            return []
        }
        return walk.compactMap { $0 as? String }.filter { $0.hasSuffix(".swift") }.map { "\(folder)/\($0)" }.sorted()
    }

    @Test func `every source file keeps to the module table, the unsafe list and the replacements`() throws {
        let checks = Checks(table: table)
        var fileCount = 0
        for (module, folder) in try folders().sorted(by: { $0.key < $1.key }) {
            for path in swiftFiles(in: folder) {
                fileCount += 1
                let findings = checks.all(SourceText(path: path, text: try Self.text(path)), of: module)
                for finding in findings { Issue.record("\(finding.description)") }
            }
        }
        #expect(fileCount > 0, "no source file was found: this test looked in the wrong place")
    }

    @Test func `a module uses its own layer or lower ones, and one module wraps each C library`() {
        #expect(table.modules.count > 20)
        #expect(table.misplaced == [])
        #expect(table.sharedCLibraries == [])
    }

    @Test func `ARCHITECTURE.md shows the table that Package.swift enforces`() throws {
        let shown = ModuleTable(architectureText: try Self.text("docs/ARCHITECTURE.md")).modules
        for (name, module) in table.modules.sorted(by: { $0.key < $1.key }) {
            let row = shown[name].map { "layer \($0.layer), uses \($0.uses)" } ?? "no row"
            #expect(row == "layer \(module.layer), uses \(module.uses)", "docs/ARCHITECTURE.md, row of \(name)")
        }
        #expect(
            shown.keys.filter { table.modules[$0] == nil } == [], "rows of modules that Package.swift does not name")
    }

    @Test func `every folder in Sources is a module, and says in a README what it is`() throws {
        for (name, folder) in try folders() {
            guard let module = table.modules[name] else {
                Issue.record("\(folder) is no module of Package.swift")
                continue
            }
            // Module maps and executables of twenty lines speak for themselves.
            let isSmall = module.layer == 5 || (module.isCLibrary && name != "CMQLinux")
            let readme = Self.root.appending(path: "\(folder)/README.md").path
            #expect(isSmall || FileManager.default.fileExists(atPath: readme), "\(folder) has no README.md")
        }
    }

    @Test func `every request code has its row in docs/reference/requests.md`() throws {
        let page = try Self.text("docs/reference/requests.md").split(separator: "\n").filter { $0.hasPrefix("| ") }
        // "10", "37, 39" or "220–223": the codes of a row.
        var named: Set<Int> = []
        for row in page {
            for part in row.split(separator: "|")[0].split(separator: ",") {
                let ends = part.split(separator: "–").compactMap { Int($0.filter(\.isNumber)) }
                if let first = ends.first, let last = ends.last, first <= last { named.formUnion(first...last) }
            }
        }
        let source = try Self.text("Sources/MQProtocol/Codes.swift")
        let codes = source.matches(of: /static let (\w+) = RequestCode\((\d+)\)/)
        #expect(codes.count > 50)
        for code in codes {
            let (name, number) = (code.output.1, Int(code.output.2) ?? -1)
            // 40 goes from the broker to clients.
            #expect(named.contains(number) || number == 40, "\(name) (\(number))")
        }
    }
}
