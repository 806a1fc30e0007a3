import MQCompression
import RocketMQClient

/// What RocketMQ's load programs are called with: `-t topic -w 64 …`, long names with two dashes.
///
/// Source: `org.apache.rocketmq.example.benchmark`, 5.3.
struct BenchmarkOptions: Equatable {
    private var values: [String: String] = [:]

    /// Options of all that send.
    static let sending = [
        "n": "namesrvAddr", "t": "topic", "w": "threadCount", "s": "messageSize", "m": "msgTraceEnable",
        "q": "messageQuantity", "ri": "reportInterval", "x": "namespace", "a": "aclEnable", "ak": "accessKey",
        "sk": "secretKey",
    ]
    /// Options of those that send one kind of message.
    static let shaping = [
        "k": "keyEnable", "p": "propertySize", "l": "tagCount", "c": "compressEnable", "ct": "compressType",
        "cl": "compressLevel", "ch": "compressOverHowMuch",
    ]

    /// - Parameter known: short name → long name.
    /// - Throws: `invalid` with the option that is not known or has no value.
    init(_ arguments: [String], known: [String: String]) throws(ClientError) {
        var rest = arguments[...]
        while let word = rest.popFirst() {
            guard word.hasPrefix("-") else { throw .invalid("\(word) is no option; options begin with a dash") }
            let name = String(word.drop { $0 == "-" })
            guard let short = known[name] != nil ? name : known.first(where: { $0.value == name })?.key else {
                let list = known.sorted { $0.key < $1.key }.map { "-\($0.key) \($0.value)" }.joined(separator: ", ")
                throw .invalid("there is no option \(word); there are \(list)")
            }
            guard let value = rest.popFirst() else { throw .invalid("the option \(word) has no value behind it") }
            values[short] = value
        }
    }

    subscript(_ name: String) -> String? { values[name] }

    func number(_ name: String, _ standard: Int, in range: ClosedRange<Int>) throws(ClientError) -> Int {
        guard let text = values[name] else { return standard }
        guard let number = Int(text), range.contains(number) else {
            throw .invalid("-\(name) \(text) is no number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// A share of all, 0 unless it is given.
    func share(_ name: String) throws(ClientError) -> Double {
        guard let text = values[name] else { return 0 }
        guard let share = Double(text), (0...1).contains(share) else {
            throw .invalid("-\(name) \(text) is no number from 0 to 1")
        }
        return share
    }

    func isOn(_ name: String) -> Bool { values[name]?.lowercased() == "true" }

    func client() -> ClientOptions {
        var client = ClientOptions(nameServers: values["n"])
        client.namespace = values["x"]
        if isOn("a") {
            client.credentials = Credentials(
                accessKey: values["ak"] ?? "rocketmq2", secretKey: values["sk"] ?? "12345678")
        }
        return client
    }

    /// How to send; bodies are compressed only where that is asked for: what is measured is what was asked for.
    func producer(tasks: Int) throws(ClientError) -> Producer.Options {
        var options = Producer.Options()
        options.inFlightMax = max(1024, tasks)
        if isOn("m") { options.trace = TraceOptions() }
        options.compressFrom = nil
        guard isOn("c") else { return options }
        options.compressFrom = try number("ch", 4096, in: 1...(4 << 20))
        options.compressLevel = try number("cl", 5, in: 1...22)
        switch (values["ct"] ?? "ZLIB").uppercased() {
        case "ZLIB": options.compression = .zlib
        case "LZ4": options.compression = .lz4
        case "ZSTD": options.compression = .zstd
        default: throw .invalid("-ct \(values["ct"] ?? "") is none of ZLIB, LZ4, ZSTD")
        }
        return options
    }
}
