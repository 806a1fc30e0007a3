import MQJSON

/// The members of one JSON object, read by kind. A missing or `null` member takes the default.
struct BodyFields {
    private let body: String
    let object: JSONObject

    /// - Parameter body: the Java class, for errors.
    init(_ json: JSON, _ body: String) throws(BodyError) {
        guard case .object(let object) = json else { throw .notAnObject(body: body) }
        self.body = body
        self.object = object
    }

    func value(_ name: String) -> JSON? {
        guard let value = object[name], !value.isNull else { return nil }
        return value
    }

    func text(_ name: String) throws(BodyError) -> String {
        guard let value = value(name) else { throw .missing(body: body, member: name) }
        return try unwrap(value.string, name)
    }

    func optionalText(_ name: String) throws(BodyError) -> String? {
        guard let value = value(name) else { return nil }
        return try unwrap(value.string, name)
    }

    /// A Java `int`.
    func int(_ name: String, default fallback: Int) throws(BodyError) -> Int {
        guard let value = value(name) else { return fallback }
        return Int(try unwrap(value.int32, name))
    }

    /// A Java `long`.
    func int64(_ name: String, default fallback: Int64) throws(BodyError) -> Int64 {
        guard let value = value(name) else { return fallback }
        return try unwrap(value.int64, name)
    }

    func bool(_ name: String, default fallback: Bool) throws(BodyError) -> Bool {
        guard let value = value(name) else { return fallback }
        return try unwrap(value.bool, name)
    }

    func double(_ name: String) throws(BodyError) -> Double? {
        guard let value = value(name) else { return nil }
        return try unwrap(value.double, name)
    }

    func list(_ name: String) throws(BodyError) -> [JSON] {
        guard let value = value(name) else { return [] }
        return try unwrap(value.array, name)
    }

    func texts(_ name: String) throws(BodyError) -> [String] {
        var texts: [String] = []
        for element in try list(name) { texts.append(try unwrap(element.string, name)) }
        return texts
    }

    func body<Body: JSONBody>(_ name: String) throws(BodyError) -> Body? {
        guard let value = value(name) else { return nil }
        return try Body(json: value)
    }

    func bodies<Body: JSONBody>(_ name: String) throws(BodyError) -> [Body] {
        var bodies: [Body] = []
        for element in try list(name) { bodies.append(try Body(json: element)) }
        return bodies
    }

    func table(_ name: String) throws(BodyError) -> JSONObject {
        guard let value = value(name) else { return JSONObject() }
        return try unwrap(value.object, name)
    }

    func textTable(_ name: String) throws(BodyError) -> [String: String] {
        var table: [String: String] = [:]
        for member in try self.table(name) where !member.value.isNull {
            table[try unwrap(member.key.string, name)] = try unwrap(member.value.string, name)
        }
        return table
    }

    func textListTable(_ name: String) throws(BodyError) -> [String: [String]] {
        var table: [String: [String]] = [:]
        for member in try self.table(name) {
            var texts: [String] = []
            for element in try unwrap(member.value.array, name) { texts.append(try unwrap(element.string, name)) }
            table[try unwrap(member.key.string, name)] = texts
        }
        return table
    }

    func bodyTable<Body: JSONBody>(_ name: String) throws(BodyError) -> [String: Body] {
        var table: [String: Body] = [:]
        for member in try self.table(name) { table[try unwrap(member.key.string, name)] = try Body(json: member.value) }
        return table
    }

    /// An enum by its Java name, or by its ordinal (librocketmq).
    func choice<Choice: JavaEnum>(_ name: String, default fallback: Choice) throws(BodyError) -> Choice {
        guard let value = value(name) else { return fallback }
        if case .string(let text) = value, let choice = Choice(rawValue: text) { return choice }
        let ordinal = try unwrap(value.int, name)
        guard Choice.allCases.indices.contains(ordinal) else { throw .badMember(body: body, member: name) }
        return Choice.allCases[ordinal]
    }

    /// `value`, or the error that `name` is of the wrong kind.
    func unwrap<Value>(_ value: Value?, _ name: String) throws(BodyError) -> Value {
        guard let value else { throw .badMember(body: body, member: name) }
        return value
    }
}

/// A Java enum: spelled by name, its cases in Java's order.
protocol JavaEnum: RawRepresentable<String>, CaseIterable, Sendable where AllCases == [Self] {}

extension JSON {
    /// An object of the members that are not `nil`, in order.
    static func members(_ members: (String, JSON?)...) -> JSON {
        var object = JSONObject()
        for (name, value) in members {
            if let value { object.set(.string(name), value) }
        }
        return .object(object)
    }

    static func table(_ table: [String: String]) -> JSON {
        .object(JSONObject(table.sorted { $0.key < $1.key }.map { (.string($0.key), .string($0.value)) }))
    }

    static func textListTable(_ table: [String: [String]]) -> JSON {
        .object(JSONObject(table.sorted { $0.key < $1.key }.map { (.string($0.key), JSON($0.value)) }))
    }

    static func table(_ table: [String: some JSONBody]) -> JSON {
        .object(JSONObject(table.sorted { $0.key < $1.key }.map { (.string($0.key), $0.value.json) }))
    }

    static func list(_ bodies: [some JSONBody]) -> JSON { .array(bodies.map(\.json)) }
}
