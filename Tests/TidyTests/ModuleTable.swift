/// One module as the table of Package.swift names it.
struct Module: Equatable {
    let name: String
    let layer: Int  // 0 is the bottom, 5 are the executables
    let uses: [String]
    var isCLibrary = false
}

/// The modules of the package and what each may import.
struct ModuleTable {
    let modules: [String: Module]

    /// Standard modules everybody may import.
    static let everywhere: Set<String> = ["Swift", "Synchronization"]

    /// What a file of `name` may import: the modules its row names and what those name in turn, but a C library only
    /// if its own row names it.
    func importable(by name: String) -> Set<String> {
        var found = Self.everywhere
        guard let module = modules[name] else { return found }
        if module.layer <= 1 { found.insert("Glibc") }
        found.formUnion(module.uses)
        var rest = module.uses
        while let next = rest.popLast() {
            for used in modules[next]?.uses ?? [] where modules[used]?.isCLibrary != true {
                if found.insert(used).inserted { rest.append(used) }
            }
        }
        return found
    }

    /// Rows that use an unknown module, one of a higher layer, or another of the executables.
    var misplaced: [String] {
        modules.values.flatMap { module in
            module.uses.compactMap { used in
                guard let other = modules[used] else { return "\(module.name) uses \(used), which is no module" }
                return other.layer > module.layer || other.layer == 5
                    ? "\(module.name) (layer \(module.layer)) uses \(used) (layer \(other.layer))" : nil
            }
        }.sorted()
    }

    /// C libraries that more than one module wraps; our own C (`CMQ…`) is no library.
    var sharedCLibraries: [String] {
        modules.values.filter { $0.isCLibrary && !$0.name.hasPrefix("CMQ") }.map(\.name).filter { library in
            modules.values.count { $0.uses.contains(library) } > 1
        }.sorted()
    }
}

extension ModuleTable {
    /// Reads the `module(…)`, `main(…)`, `.target(…)` and `.systemLibrary(…)` calls of Package.swift.
    init(packageText: String) {
        var modules: [String: Module] = [:]
        let text = packageText[(packageText.firstRange(of: "targets: [\n")?.upperBound ?? packageText.startIndex)...]
        for match in text.matches(of: /\bmodule\(\s*"(\w+)",\s*layer:\s*(\d)(?:,\s*uses:\s*\[([^\]]*)\])?\s*\)/) {
            modules[String(match.1)] = Module(
                name: String(match.1), layer: Int(match.2) ?? 0, uses: names(in: match.3 ?? ""))
        }
        for match in text.matches(of: /\bmain\(\s*"(\w+)",\s*uses:\s*\[([^\]]*)\]\s*\)/) {
            modules[String(match.1)] = Module(name: String(match.1), layer: 5, uses: names(in: match.2))
        }
        for match in text.matches(of: /\.(?:target|systemLibrary)\(\s*name:\s*"(\w+)"/) {
            modules[String(match.1)] = Module(name: String(match.1), layer: 0, uses: [], isCLibrary: true)
        }
        self.modules = modules
    }

    /// Reads the rows of ARCHITECTURE.md's module table: | layer | `module` | one line | uses |
    init(architectureText: String) {
        var modules: [String: Module] = [:]
        for match in architectureText.matches(of: /(?m)^\| (\d) \| `(\w+)` \|[^|]*\| ([^|]*) \|$/) {
            let uses = match.3 == "–" ? [] : match.3.split(separator: " ").map(String.init)
            modules[String(match.2)] = Module(
                name: String(match.2), layer: Int(match.1) ?? 0, uses: uses,
                isCLibrary: match.2.hasPrefix("C"))
        }
        self.modules = modules
    }
}

private func names(in list: Substring) -> [String] {
    list.matches(of: /"(\w+)"/).map { String($0.1) }
}
