import BenchWire
import Glibc

/// Answers as RocketMQ 5.3 words them, with nothing filled in but what changes.
final class FloorAnswers {
    private let port: UInt16
    private let sentHead: [UInt8]
    private let tail: [UInt8]

    init(port: UInt16) {
        self.port = port
        let fields = """
            "queueId":"0","transactionId":"00000000000000000000000000000000",\
            "msgId":"7F00000100002A9F0000000000000000","TRACE_ON":"true","MSG_REGION":"DefaultRegion",\
            "queueOffset":"0"
            """
        sentHead = Array("{\"code\":0,\"extFields\":{\(fields)},\"flag\":1,\"language\":\"JAVA\",\"opaque\":".utf8)
        tail = Array(",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":479}".utf8)
    }

    /// Answers a send with success. `opaque` points to the request's digits, which are copied as they are.
    @inline(__always)
    func sent(_ opaque: UnsafeRawPointer, to connection: FloorConnection) {
        put(sentHead, opaque, bodyCount: 0, connection)
    }

    /// Answers a pull with 32 records, which the caller sends behind this header.
    func pulled(_ opaque: UnsafeRawPointer, next: Int, bodyCount: Int, to connection: FloorConnection) {
        let fields = """
            "suggestWhichBrokerId":"0","nextBeginOffset":"\(next)","minOffset":"0","maxOffset":"1099511627776"
            """
        let head = "{\"code\":0,\"extFields\":{\(fields)},\"flag\":1,\"language\":\"JAVA\",\"opaque\":"
        put(Array(head.utf8), opaque, bodyCount: bodyCount, connection)
    }

    /// Plays name server and the rest of the broker, as far as a load generator asks.
    func other(_ code: Int, _ header: UnsafeRawPointer, _ count: Int, _ opaque: Int, to connection: FloorConnection) {
        var result = 0
        var fields = ""
        var body = ""
        let broker = "\"cluster\":\"DefaultCluster\",\"enableActingMaster\":false"
        switch code {
        case 17, 34, 35, 15, 200: break
        case 30, 31, 14: fields = "\"extFields\":{\"offset\":\"0\"},"
        case 105:
            body = """
                {"brokerDatas":[{"brokerAddrs":{"0":"127.0.0.1:\(port)"},"brokerName":"floor",\(broker)}],\
                "filterServerTable":{},"queueDatas":[{"brokerName":"floor","perm":6,"readQueueNums":8,\
                "topicSysFlag":0,"writeQueueNums":8}]}
                """
        case 106:
            body = """
                {"brokerAddrTable":{"floor":{"brokerAddrs":{0:"127.0.0.1:\(port)"},"brokerName":"floor",\(broker)}},\
                "clusterAddrTable":{"DefaultCluster":["floor"]}}
                """
        default: result = 3
        }
        let head = Array("{\"code\":\(result),\(fields)\"flag\":1,\"language\":\"JAVA\",\"opaque\":".utf8)
        let bytes = Array(body.utf8)
        put(head, header + opaque, bodyCount: bytes.count, connection)
        if !bytes.isEmpty { memcpy(connection.reserve(bytes.count), bytes, bytes.count) }
    }

    @inline(__always)
    private func put(_ head: [UInt8], _ opaque: UnsafeRawPointer, bodyCount: Int, _ connection: FloorConnection) {
        var digits = 0
        while digits < 11 {
            let byte = opaque.load(fromByteOffset: digits, as: UInt8.self)
            guard (0x30...0x39).contains(byte) || byte == 0x2D else { break }
            digits += 1
        }
        let headerCount = head.count + digits + tail.count
        let target = connection.reserve(8 + headerCount)
        target.storeBytes(of: UInt32(4 + headerCount + bodyCount).bigEndian, as: UInt32.self)
        target.storeBytes(of: UInt32(headerCount).bigEndian, toByteOffset: 4, as: UInt32.self)
        memcpy(target + 8, head, head.count)
        memcpy(target + 8 + head.count, opaque, digits)
        memcpy(target + 8 + head.count + digits, tail, tail.count)
    }
}
