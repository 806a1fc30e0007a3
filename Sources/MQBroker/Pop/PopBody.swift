import MQJSON
import MQProtocol

/// Members of the JSON texts that pop reads.
struct PopBody {
    private let name: String
    private let object: JSONObject

    init(_ json: JSON, _ name: String) throws(BodyError) {
        guard case .object(let object) = json else { throw .notAnObject(body: name) }
        self.name = name
        self.object = object
    }

    func optionalText(_ member: String) -> String? { object[member].flatMap { $0.isNull ? nil : $0.string } }

    func text(_ member: String) throws(BodyError) -> String {
        guard let text = optionalText(member) else { throw .missing(body: name, member: member) }
        return text
    }

    func number(_ member: String, default fallback: Int64? = nil) throws(BodyError) -> Int64 {
        guard let value = object[member], !value.isNull else {
            guard let fallback else { throw .missing(body: name, member: member) }
            return fallback
        }
        guard let number = value.int64 else { throw .badMember(body: name, member: member) }
        return number
    }

    func list(_ member: String) -> [JSON] { object[member]?.array ?? [] }

    func members(_ member: String) -> JSONObject { object[member]?.object ?? JSONObject() }

    static func object(_ members: [(String, JSON)]) -> JSON {
        .object(JSONObject(members.map { (.string($0.0), $0.1) }))
    }
}
