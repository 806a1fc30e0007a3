/// Replaces `{"$ref":"…"}` by a copy of what it names, as fastjson's readers do for objects that occur twice.
///
/// Paths: `$` the root, `@` the object itself, `..` its parent, `$.name[0]['name']` from the root. What would
/// contain itself, and a path that leads nowhere, becomes `null`. Copies count against `elementsMax` and
/// `depthMax`, so a few bytes cannot grow into gigabytes.
///
/// Source: fastjson 1.2 `JSONPath`, `SerialContext.toString`.
struct JSONReferences {
    private enum Step: Equatable {
        case name(String)
        case index(Int)
    }

    private let root: JSON
    private let limits: JSONLimits
    private var elementCount = 0
    /// Where the references being followed stand; none of them may be copied into itself.
    private var active: [[Step]] = []

    /// Where `walk` is.
    private var path: [Step] = []

    static func resolve(_ root: JSON, limits: JSONLimits) throws(JSONError) -> JSON {
        var references = JSONReferences(root: root, limits: limits)
        return try references.walk(root, depth: 0)
    }

    private init(root: JSON, limits: JSONLimits) {
        self.root = root
        self.limits = limits
    }

    private mutating func walk(_ value: JSON, depth: Int) throws(JSONError) -> JSON {
        elementCount += 1
        guard elementCount <= limits.elementsMax else { throw .tooManyElements(max: limits.elementsMax) }
        guard depth <= limits.depthMax else { throw .tooDeep(max: limits.depthMax, at: 0) }
        switch value {
        case .null, .bool, .integer, .number, .string: return value
        case .array(let elements):
            var resolved: [JSON] = []
            resolved.reserveCapacity(elements.count)
            for (index, element) in elements.enumerated() {
                resolved.append(try walk(element, at: .index(index), depth: depth + 1))
            }
            return .array(resolved)
        case .object(let object):
            if object.count == 1, case .string(let reference)? = object["$ref"] {
                return try follow(reference, depth: depth)
            }
            var resolved = JSONObject()
            for member in object {
                let name = member.key.string ?? ""
                resolved.set(member.key, try walk(member.value, at: .name(name), depth: depth + 1))
            }
            return .object(resolved)
        }
    }

    private mutating func walk(_ value: JSON, at step: Step, depth: Int) throws(JSONError) -> JSON {
        path.append(step)
        defer { path.removeLast() }
        return try walk(value, depth: depth)
    }

    private mutating func follow(_ reference: String, depth: Int) throws(JSONError) -> JSON {
        // References to references nest without growing `depth`.
        guard active.count < limits.depthMax else { throw .tooDeep(max: limits.depthMax, at: 0) }
        guard let target = Self.absolute(reference, from: path) else { return .null }
        let wouldContainItself = path.starts(with: target) || active.contains { $0.starts(with: target) }
        guard !wouldContainItself, let value = lookUp(target) else { return .null }
        let origin = path
        active.append(origin)
        path = target
        defer {
            path = origin
            active.removeLast()
        }
        return try walk(value, depth: depth)
    }

    private func lookUp(_ path: [Step]) -> JSON? {
        var value = root
        for step in path {
            switch (step, value) {
            case (.name(let name), .object(let object)):
                guard let member = object[name] else { return nil }
                value = member
            case (.index(let index), .array(let elements)):
                guard elements.indices.contains(index) else { return nil }
                value = elements[index]
            case (.index(let index), .object(let object)):
                guard let member = object[integer: Int64(index)] else { return nil }
                value = member
            default: return nil
            }
        }
        return value
    }

    private static func absolute(_ reference: String, from path: [Step]) -> [Step]? {
        switch reference {
        case "@": return path
        case "..": return Array(path.dropLast())
        case "$": return []
        default: return reference.hasPrefix("$") ? parse(reference.dropFirst()) : nil
        }
    }

    /// `.name`, `[0]`, `['name']`; a backslash in a name takes the next character as it is.
    private static func parse(_ text: Substring) -> [Step]? {
        var steps: [Step] = []
        var rest = text
        while let first = rest.popFirst() {
            switch first {
            case ".":
                var name = ""
                while let next = rest.first, next != ".", next != "[" {
                    rest.removeFirst()
                    if next == "\\", let escaped = rest.popFirst() { name.append(escaped) } else { name.append(next) }
                }
                steps.append(.name(name))
            case "[":
                guard let end = rest.firstIndex(of: "]") else { return nil }
                let inside = rest[..<end]
                rest = rest[rest.index(after: end)...]
                if let index = Int(inside) {
                    steps.append(.index(index))
                } else if inside.count >= 2, let quote = inside.first, quote == "'" || quote == "\"" {
                    steps.append(.name(String(inside.dropFirst().dropLast())))
                } else {
                    return nil
                }
            default: return nil
            }
        }
        return steps
    }
}
