import BenchWire
import Glibc

/// One request at a time over a blocking connection: what has to be asked and made before the load.
struct ControlClient {
    private let descriptor: Int32
    private let address: Address
    private var opaque = 0

    /// An answer: its code, and the rest to search in.
    struct Answer {
        let code: Int
        let header: [UInt8]
        let body: [UInt8]

        /// The text of the header's remark, as it stands in the JSON.
        var remark: String {
            text("\"remark\":\"", in: header) ?? "no remark"
        }
    }

    init(_ address: Address) {
        guard let descriptor = connectSocket(to: address) else {
            stop("mqbench: cannot connect to \(address): \(systemError)")
        }
        setTimeout(descriptor, seconds: 10)
        self.descriptor = descriptor
        self.address = address
    }

    func close() { _ = Glibc.close(descriptor) }

    /// Sends `code` with `fields` (plain names and values, nothing to escape) and waits for the answer.
    mutating func ask(_ code: Int, _ fields: [(String, String)] = []) -> Answer {
        opaque += 1
        let pairs = fields.map { "\"\($0)\":\"\($1)\"" }.joined(separator: ",")
        let header = """
            {"code":\(code),"extFields":{\(pairs)},"flag":0,"language":"JAVA","opaque":\(opaque),\
            "serializeTypeCurrentRPC":"JSON","version":479}
            """
        let frame = frameBytes(header: header)
        var done = 0
        while done < frame.count {
            let count = frame.withUnsafeBytes { send(descriptor, $0.baseAddress! + done, frame.count - done, 0) }
            guard count > 0 else { stop("mqbench: cannot send to \(address): \(systemError)") }
            done += count
        }
        while true {
            let head = receive(8)
            let total = head.withUnsafeBytes { FrameScan.int32($0.baseAddress!) }
            let headerCount = head.withUnsafeBytes { FrameScan.int32($0.baseAddress! + 4) } & 0xFF_FFFF
            guard total >= 4, total <= FrameScan.frameMax, headerCount <= total - 4 else {
                stop("mqbench: \(address) does not speak RocketMQ remoting")
            }
            let answer = receive(headerCount)
            let body = receive(total - 4 - headerCount)
            let isBinary = head[4] == 1
            let (found, result) = answer.withUnsafeBytes { bytes in
                guard let base = bytes.baseAddress else { return (-1, -1) }
                return (
                    FrameScan.opaque(base, bytes.count, isBinary: isBinary),
                    FrameScan.code(base, bytes.count, isBinary: isBinary)
                )
            }
            // The broker may send requests of its own; only our answer counts.
            if found == opaque { return Answer(code: result, header: answer, body: body) }
        }
    }

    /// The address of the first master the name server knows.
    mutating func firstBroker() -> Address {
        let answer = ask(106)
        guard answer.code == 0 else {
            stop("mqbench: the name server \(address) answered code \(answer.code): \(answer.remark)")
        }
        for name: StaticString in ["{0:\"", "{\"0\":\""] {
            if let found = text(name, in: answer.body), let broker = Address(found) { return broker }
        }
        stop("mqbench: the name server \(address) knows no broker yet")
    }

    /// Creates a topic, or changes its number of queues.
    mutating func create(topic: String, queueCount: Int) {
        let answer = ask(
            17,
            [
                ("topic", topic), ("defaultTopic", "TBW102"), ("readQueueNums", "\(queueCount)"),
                ("writeQueueNums", "\(queueCount)"), ("perm", "6"), ("topicFilterType", "SINGLE_TAG"),
                ("topicSysFlag", "0"), ("order", "false"),
            ])
        guard answer.code == 0 else {
            stop("mqbench: topic \(topic) could not be created, code \(answer.code): \(answer.remark)")
        }
    }

    /// First (31) or next (30) offset of a queue.
    mutating func offset(of topic: String, queue: Int, atEnd: Bool) -> Int64 {
        let answer = ask(atEnd ? 30 : 31, [("topic", topic), ("queueId", "\(queue)")])
        let offset = answer.header.withUnsafeBytes {
            FrameScan.field("\"offset\":", $0.baseAddress!, $0.count)
        }
        guard answer.code == 0, let offset else {
            stop("mqbench: no offset of queue \(queue) of \(topic), code \(answer.code): \(answer.remark)")
        }
        return Int64(offset)
    }

    private func receive(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress! + done, count - done, 0) }
            guard got > 0 else {
                stop("mqbench: no answer from \(address)\(got == 0 ? ", it closed the connection" : "")")
            }
            done += got
        }
        return bytes
    }
}

/// The text between `start` and the next quotation mark.
private func text(_ start: StaticString, in bytes: [UInt8]) -> String? {
    bytes.withUnsafeBytes { buffer -> String? in
        guard let base = buffer.baseAddress, let at = FrameScan.find(start, base, buffer.count) else { return nil }
        let rest = buffer[(at + start.utf8CodeUnitCount)...]
        return String(decoding: rest.prefix { $0 != 0x22 }, as: UTF8.self)
    }
}
