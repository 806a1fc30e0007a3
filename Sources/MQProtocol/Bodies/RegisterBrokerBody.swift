import MQBytes
import MQCompression
public import MQJSON

/// What a broker registers at a name server: body of `REGISTER_BROKER` (103).
///
/// Source: `RegisterBrokerBody.java` `encode`, `decode`, RocketMQ 5.3 and 4.9.
public struct RegisterBrokerBody: JSONBody {
    /// The broker's topics; all of them, or only those that changed.
    public var topicConfigSerializeWrapper: TopicConfigSerializeWrapper
    /// Addresses of filter servers: empty since 4.9.
    public var filterServerList: [String]

    /// A registration of `topics`.
    public init(_ topics: TopicConfigSerializeWrapper, filterServerList: [String] = []) {
        topicConfigSerializeWrapper = topics
        self.filterServerList = filterServerList
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "RegisterBrokerBody")
        filterServerList = try fields.texts("filterServerList")
        guard let topics = fields.value("topicConfigSerializeWrapper") else {
            throw .missing(body: "RegisterBrokerBody", member: "topicConfigSerializeWrapper")
        }
        topicConfigSerializeWrapper = try TopicConfigSerializeWrapper(json: topics)
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(
            ("filterServerList", JSON(filterServerList)),
            ("topicConfigSerializeWrapper", topicConfigSerializeWrapper.json))
    }
}

// MARK: - The compressed form

extension RegisterBrokerBody {
    /// Reads the compressed form (header `compressed=true`): a zlib stream of
    /// ```
    /// | n i32 | DataVersion JSON, n bytes |
    /// | topic count i32 | per topic: n i32, "name read write perm filterType [attributes JSON]" |
    /// | n i32 | filter servers JSON, n bytes |
    /// | mapping count i32 | per mapping: n i32, TopicQueueMappingInfo JSON |      (brokers from 5.0 on)
    /// ```
    /// - Parameter expandedMax: most bytes the stream may expand to.
    /// - Throws: ``BodyError``.
    public init(compressed bytes: Span<UInt8>, expandedMax: Int = 32 << 20) throws(BodyError) {
        let expanded: [UInt8]
        do throws(CompressionError) {
            expanded = try Zlib.inflate(bytes, outputMax: expandedMax)
        } catch {
            throw .compression(error)
        }
        var reader = SectionReader(bytes: expanded)
        let version = try DataVersion(parsing: try reader.section("DataVersion"))
        var topics = TopicConfigSerializeWrapper(dataVersion: version, topicConfigTable: [:])
        // Counts are not trusted: every turn consumes at least four bytes or throws.
        for _ in 0..<(try reader.count("topic count")) {
            let text = String(decoding: try reader.section("topic"), as: UTF8.self)
            let topic = try TopicConfig(registrationText: text)
            topics.topicConfigTable[topic.topicName] = topic
        }
        let servers = try Self.parse(try reader.section("filter servers"))
        filterServerList = (servers.array ?? []).compactMap(\.string)
        if !reader.isAtEnd {
            var mappings = JSONObject()
            for _ in 0..<(try reader.count("mapping count")) {
                let mapping = try Self.parse(try reader.section("mapping"))
                guard let topic = mapping["topic"].string else {
                    throw .missing(body: "TopicQueueMappingInfo", member: "topic")
                }
                mappings.set(.string(topic), mapping)
            }
            topics.topicQueueMappingInfoMap = mappings
        }
        topicConfigSerializeWrapper = topics
    }

    /// The compressed form, level 9 as Java's.
    /// - Parameter forVersion5: adds attributes and the mapping section, which 4.9 neither writes nor reads.
    /// - Throws: ``BodyError/compression(_:)`` when memory is out.
    public func compressed(forVersion5: Bool = true) throws(BodyError) -> [UInt8] {
        var plain: [UInt8] = []
        Self.append(topicConfigSerializeWrapper.dataVersion.encoded(), to: &plain)
        let topics = topicConfigSerializeWrapper.topicConfigTable.sorted { $0.key < $1.key }
        Self.append(topics.count, to: &plain)
        for (_, topic) in topics {
            Self.append(Array(topic.registrationText(withAttributes: forVersion5).utf8), to: &plain)
        }
        Self.append(JSON(filterServerList).encoded(), to: &plain)
        if forVersion5 {
            let mappings = topicConfigSerializeWrapper.topicQueueMappingInfoMap ?? JSONObject()
            Self.append(mappings.count, to: &plain)
            for mapping in mappings { Self.append(mapping.value.encoded(), to: &plain) }
        }
        do throws(CompressionError) {
            return try Zlib.deflate(plain.span, level: 9)
        } catch {
            throw .compression(error)
        }
    }

    private static func parse(_ bytes: [UInt8]) throws(BodyError) -> JSON {
        do throws(JSONError) {
            return try JSON(parsing: bytes)
        } catch {
            throw .json(error)
        }
    }

    private static func append(_ section: [UInt8], to bytes: inout [UInt8]) {
        append(section.count, to: &bytes)
        bytes.append(contentsOf: section)
    }

    private static func append(_ count: Int, to bytes: inout [UInt8]) {
        for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: count >> shift)) }
    }
}

/// Reads `n i32 | n bytes` sections.
private struct SectionReader {
    let bytes: [UInt8]
    private var position = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    mutating func count(_ field: StaticText) throws(BodyError) -> Int {
        do throws(WireError) {
            var reader = WireReader(bytes.span.extracting(position...))
            let count = Int(try reader.int32(field))
            guard count >= 0 else { throw .lengthOutOfRange(field, count) }
            position += 4
            return count
        } catch {
            throw .wire(error)
        }
    }

    mutating func section(_ field: StaticText) throws(BodyError) -> [UInt8] {
        let byteCount = try count(field)
        do throws(WireError) {
            var reader = WireReader(bytes.span.extracting(position...))
            _ = try reader.range(byteCount, field)
        } catch {
            throw .wire(error)
        }
        let section = Array(bytes[position..<(position + byteCount)])
        position += byteCount
        return section
    }
}

extension TopicConfig {
    /// `name read write perm filterType [attributes JSON]`.
    /// Source: `TopicConfig.java` `encode`, `decode`.
    init(registrationText text: String) throws(BodyError) {
        let words = text.split(separator: " ", maxSplits: 5)
        guard words.count >= 5, let read = Int32(words[1]), let write = Int32(words[2]), let perm = Int32(words[3])
        else { throw .badTopicText(String(text.prefix(200))) }
        self.init(
            topicName: String(words[0]), readQueueNums: Int(read), writeQueueNums: Int(write),
            perm: TopicPermission(rawValue: Int(perm)), topicFilterType: String(words[4]))
        guard words.count == 6 else { return }
        guard let json = try? JSON(parsing: String(words[5])) else { throw .badTopicText(String(text.prefix(200))) }
        attributes = try BodyFields(.members(("attributes", json)), "TopicConfig").textTable("attributes")
    }

    func registrationText(withAttributes: Bool) -> String {
        let text = "\(topicName) \(readQueueNums) \(writeQueueNums) \(perm.rawValue) \(topicFilterType)"
        return withAttributes ? text + " " + JSON.table(attributes).text() : text
    }
}
