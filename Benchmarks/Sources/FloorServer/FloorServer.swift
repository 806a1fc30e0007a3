import BenchWire
import Glibc

/// The least a RocketMQ broker can do: find the frames, append the bodies of a wake-up with one `pwrite`, answer.
/// One thread, nothing checked beyond what keeps it alive, no index, no queue: the limit to compare a broker with.
public final class FloorServer {
    private let options: FloorOptions
    private let poller = Poller()
    private let log: BodyLog
    private let listener: Int32
    private var connections: [FloorConnection?] = []
    private var touched: [FloorConnection] = []
    private var inbox: UnsafeMutableRawPointer
    private var inboxCapacity = 256 * 1024
    private var stage: UnsafeMutableRawPointer
    private var stageCapacity = 4 << 20
    private var stageCount = 0
    private var records: RecordFile?
    private let answers: FloorAnswers

    /// Listens; `self.port` is the port it got.
    public init(_ options: FloorOptions) {
        self.options = options
        signal(SIGPIPE, SIG_IGN)
        log = BodyLog(directory: options.directory, sync: options.sync)
        guard let (listener, port) = listenSocket(port: options.port) else {
            stop("floor: cannot listen on port \(options.port): \(systemError)")
        }
        self.listener = listener
        answers = FloorAnswers(port: port)
        inbox = .allocate(byteCount: inboxCapacity, alignment: 64)
        stage = .allocate(byteCount: stageCapacity, alignment: 4096)
        poller.add(listener, token: UInt64(listener))
        write("floor: listening on 127.0.0.1:\(port)\n", to: 1)
    }

    /// Serves until the process is killed.
    public func run() -> Never {
        while true {
            let count = poller.wait()
            for index in 0..<count {
                let token = Int32(truncatingIfNeeded: poller.token(index))
                if token == listener {
                    acceptAll()
                } else if let connection = connections[Int(token)] {
                    if poller.isWritable(index) { touch(connection) }
                    if poller.isReadable(index) { receive(connection) }
                }
            }
            if stageCount > 0 {
                log.append(stage, stageCount)
                stageCount = 0
            }
            for connection in touched { flush(connection) }
            touched.removeAll(keepingCapacity: true)
        }
    }

    private func acceptAll() {
        while let descriptor = acceptSocket(listener) {
            while connections.count <= Int(descriptor) { connections.append(nil) }
            connections[Int(descriptor)] = FloorConnection(descriptor: descriptor)
            poller.add(descriptor, token: UInt64(descriptor))
        }
    }

    private func touch(_ connection: FloorConnection) {
        guard !connection.isTouched else { return }
        connection.isTouched = true
        touched.append(connection)
    }

    private func flush(_ connection: FloorConnection) {
        connection.isTouched = false
        guard connections[Int(connection.descriptor)] === connection else { return }
        guard !connection.hasOutput || connection.flush() else { return drop(connection) }
        guard connection.hasOutput != connection.wantsWrite else { return }
        connection.wantsWrite = connection.hasOutput
        poller.wantWrite(connection.wantsWrite, connection.descriptor, token: UInt64(connection.descriptor))
    }

    private func drop(_ connection: FloorConnection) {
        guard connections[Int(connection.descriptor)] === connection else { return }
        connections[Int(connection.descriptor)] = nil
        connection.close()
    }

    private func receive(_ connection: FloorConnection) {
        let kept = connection.partialCount
        if kept * 2 > inboxCapacity {
            inbox.deallocate()
            inboxCapacity = kept * 4
            inbox = .allocate(byteCount: inboxCapacity, alignment: 64)
        }
        if kept > 0 { memcpy(inbox, connection.partial, kept) }
        let count = recv(connection.descriptor, inbox + kept, inboxCapacity - kept, 0)
        guard count > 0 else {
            if count == 0 || (errno != EAGAIN && errno != EINTR) { drop(connection) }
            return
        }
        let end = kept + count
        var at = 0
        while end - at >= 8 {
            let total = FrameScan.int32(inbox + at)
            let headerCount = FrameScan.int32(inbox + at + 4) & 0xFF_FFFF
            guard total >= 4, total <= FrameScan.frameMax, headerCount <= total - 4 else { return drop(connection) }
            guard end - at >= 4 + total else { break }
            let header = UnsafeRawPointer(inbox + at + 8)
            if !handle(connection, header, headerCount, total - 4 - headerCount) { return drop(connection) }
            at += 4 + total
        }
        connection.keep(inbox + at, end - at)
        touch(connection)
    }

    /// One request. `false` closes the connection: only JSON headers are read here.
    @inline(__always)
    private func handle(
        _ connection: FloorConnection, _ header: UnsafeRawPointer, _ headerCount: Int, _ bodyCount: Int
    ) -> Bool {
        let opaque = FrameScan.opaqueStart(header, headerCount)
        guard opaque >= 0 else { return false }
        let code = FrameScan.code(header, headerCount, isBinary: false)
        if code == 310 || code == 10 {
            if stageCount + bodyCount > stageCapacity { growStage(bodyCount) }
            memcpy(stage + stageCount, header + headerCount, bodyCount)
            stageCount += bodyCount
            answers.sent(header + opaque, to: connection)
        } else if code == 11 {
            pull(connection, header, headerCount, opaque)
        } else {
            answers.other(code, header, headerCount, opaque, to: connection)
        }
        return true
    }

    private func pull(_ connection: FloorConnection, _ header: UnsafeRawPointer, _ count: Int, _ opaque: Int) {
        if records == nil { records = RecordFile(directory: options.directory) }
        let queue = FrameScan.field("\"queueId\":", header, count) ?? 0
        let offset = FrameScan.field("\"queueOffset\":", header, count) ?? 0
        let bytes = records!.range(queue: queue, offset: offset)
        answers.pulled(
            header + opaque, next: offset + RecordFile.recordsPerPull, bodyCount: bytes.count, to: connection)
        connection.lend(bytes)
    }

    private func growStage(_ bodyCount: Int) {
        let capacity = max(stageCapacity * 2, stageCount + bodyCount)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 4096)
        memcpy(larger, stage, stageCount)
        stage.deallocate()
        (stage, stageCapacity) = (larger, capacity)
    }
}
