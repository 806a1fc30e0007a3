public import MQBytes

/// A whole request or response as a value: for everything but the data plane.
public struct RemotingCommand: Equatable, Sendable {
    public var code: Int32
    public var language = LanguageCode.java
    public var version = ProtocolVersion.current
    public var opaque: Int32 = 0
    public var flag: Int32 = 0
    public var remark: String?
    /// In the order they were written; a name is used once.
    public var fields: [Field] = []
    public var body: [UInt8] = []

    /// One ext field.
    public struct Field: Equatable, Sendable {
        public var name: String
        public var value: String
    }

    /// A request.
    public init(_ code: RequestCode, _ fields: KeyValuePairs<String, String> = [:], body: [UInt8] = []) {
        self.code = code.rawValue
        self.fields = fields.map { Field(name: $0.key, value: $0.value) }
        self.body = body
    }

    /// A response.
    public init(
        _ code: ResponseCode, remark: String? = nil, _ fields: KeyValuePairs<String, String> = [:], body: [UInt8] = []
    ) {
        self.code = code.rawValue
        self.remark = remark
        self.fields = fields.map { Field(name: $0.key, value: $0.value) }
        self.body = body
        flag = 1
    }

    /// The code as a request's.
    public var requestCode: RequestCode { RequestCode(rawValue: code) }
    /// The code as a response's.
    public var responseCode: ResponseCode { ResponseCode(rawValue: code) }
    /// Whether this answers a request.
    public var isResponse: Bool { flag & 1 != 0 }
    /// Whether no answer is wanted.
    public var isOneWay: Bool {
        get { flag & 2 != 0 }
        set { flag = newValue ? flag | 2 : flag & ~2 }
    }

    /// The ext field called `name`.
    public subscript(name: String) -> String? {
        get { fields.first { $0.name == name }?.value }
        set {
            fields.removeAll { $0.name == name }
            if let newValue { fields.append(Field(name: name, value: newValue)) }
        }
    }

    /// The ext field called `name` as a number; `nil` if it is absent or not one.
    public func int64(_ name: String) -> Int64? { self[name].flatMap { Int64($0) } }
    /// The ext field called `name` as a 32-bit number; `nil` if it is absent or not one.
    public func int32(_ name: String) -> Int32? { self[name].flatMap { Int32($0) } }
    /// Whether the ext field called `name` says `true`.
    public func bool(_ name: String) -> Bool { self[name]?.lowercased() == "true" }

    // MARK: - Decoding

    /// Copies a decoded frame into a value.
    public init(_ header: RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>) {
        code = header.code
        language = header.language
        version = header.version
        opaque = header.opaque
        flag = header.flag
        remark = header.remark.map { $0.string(in: bytes) }
        fields = header.allFields(in: bytes)
        body = bytes.extracting(frame.body).toArray()
    }

    /// The command in `bytes`, which hold exactly one frame; for tests and tools.
    public init(frame bytes: Span<UInt8>) throws(WireError) {
        guard let frame = try RemotingFrame.decode(bytes, at: 0), frame.byteCount == bytes.count else {
            throw .truncated("frame", needed: 8, had: bytes.count, at: 0)
        }
        var header = RemotingHeader()
        try header.decode(frame, in: bytes)
        self.init(header, frame, in: bytes)
    }

    // MARK: - Encoding

    /// Appends the whole frame.
    /// - Precondition: a binary header holds codes up to 32,767 only; pop clients must use JSON.
    public func encode(into buffer: inout ByteBuffer, as type: SerializeType = .json) {
        var writer = ResponseWriter(&buffer, type: type, code: code)
        for field in fields { writer.field(field.name, field.value, to: &buffer) }
        writer.finish(
            opaque: opaque, flag: flag, language: language, version: version, remark: remark,
            bodyByteCount: body.count, in: &buffer)
        buffer.append(body)
    }

    /// The whole frame.
    public func frame(as type: SerializeType = .json) -> [UInt8] {
        var buffer = ByteBuffer(capacity: 256 + body.count)
        encode(into: &buffer, as: type)
        return buffer.toArray()
    }
}
