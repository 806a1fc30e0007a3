import Foundation
import MQBase
import MQBytes
import MQSystem
import Testing

@testable import MQTransport

/// Goal: loops, timers and connections keep their order and their bounds. Method: real sockets on loopback; nothing sleeps.
@Suite(.timeLimit(.minutes(1))) struct TransportTests {
    /// Answers every byte, doubled; counts what it saw.
    private final class Doubler: ConnectionHandler {
        let closed: Monitor<[CloseReason]>

        init(_ closed: Monitor<[CloseReason]>) { self.closed = closed }

        func received(_ bytes: Span<UInt8>, on connection: Connection) -> Int {
            connection.send { output in
                for index in 0..<bytes.count { output.append(repeating: bytes[index], count: 2) }
            }
            return bytes.count
        }

        func closed(_ connection: Connection, because reason: CloseReason) {
            closed.signal {
                $0.append(reason)
                return true
            }
        }
    }

    /// A loop with a listener whose connections double what they get.
    private struct Running {
        let loop: EventLoop
        let listener: Listener
        let closed = Monitor<[CloseReason]>([])

        init(connectionsMax: Int = 100) throws {
            loop = try EventLoop("test-io")
            let closed = closed
            listener = try Listener(
                SocketAddress(ip: [127, 0, 0, 1], port: 0), loops: [loop], connectionsMax: connectionsMax
            ) { _ in Doubler(closed) }
            loop.start()
            listener.start()
        }

        func stop() {
            listener.stop()
            loop.stop()
        }

        /// A blocking socket of ours to the listener.
        func connect() throws -> FileHandle {
            let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = in_port_t(listener.address.port).bigEndian
            address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
            let result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            try #require(result == 0)
            return FileHandle(fileDescriptor: socket, closeOnDealloc: true)
        }
    }

    @Test func `bytes come back in order, in one connection after the other`() throws {
        let running = try Running()
        defer { running.stop() }
        for round in 0..<3 {
            let peer = try running.connect()
            let sent = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ round) }
            let writer = MQSystem.Thread("writer") { try? peer.write(contentsOf: Data(sent)) }
            let back = try #require(try peer.read(upToCount: 200_000))
            writer.join()
            #expect(back.elementsEqual(sent.flatMap { [$0, $0] }))
            try peer.close()
        }
        #expect(running.closed.wait { $0.count == 3 ? $0 : nil } == [.peer, .peer, .peer])
    }

    @Test func `connections over the limit are refused, and room that comes free is used again`() throws {
        let running = try Running(connectionsMax: 1)
        defer { running.stop() }
        let first = try running.connect()
        try first.write(contentsOf: Data([1]))
        #expect(try first.read(upToCount: 2) == Data([1, 1]))
        let second = try running.connect()
        #expect(try second.read(upToCount: 1)?.isEmpty != false, "it is closed without a byte")
        try first.close()
        _ = running.closed.wait { $0.isEmpty ? nil : true }
        let third = try running.connect()
        try third.write(contentsOf: Data([3]))
        #expect(try third.read(upToCount: 2) == Data([3, 3]))
    }

    @Test func `a loop's end closes its connections`() throws {
        let running = try Running()
        let peer = try running.connect()
        try peer.write(contentsOf: Data([1]))
        _ = try peer.read(upToCount: 2)
        running.stop()
        #expect(running.closed.withLock { $0.count } == 1)
        #expect(try peer.read(upToCount: 1)?.isEmpty != false)
    }

    @Test func `jobs run in the order they came, timers in the order they are due`() throws {
        let loop = try EventLoop("order")
        let seen = Monitor<[Int]>([])
        let note: @Sendable (Int) -> Void = { number in
            seen.signal {
                $0.append(number)
                return true
            }
        }
        loop.execute {
            loop.schedule(afterMilliseconds: 20) { note(3) }
            loop.schedule(afterMilliseconds: 10) { note(2) }
            let forgotten = loop.schedule(afterMilliseconds: 5) { note(99) }
            loop.cancel(forgotten)
            note(0)
        }
        loop.execute { note(1) }
        loop.start()
        #expect(seen.wait { $0.count == 4 ? $0 : nil } == [0, 1, 2, 3])
        loop.stop()
    }

    @Test func `timers of one instant fire in the order they were set, and cancelled ones cost nothing for long`() {
        var heap = TimerHeap()
        var fired: [Int] = []
        let start = SystemClock.now()
        var tokens: [TimerToken] = []
        for number in 0..<1000 { tokens.append(heap.set(at: start) { fired.append(number) }) }
        for number in stride(from: 0, to: 1000, by: 2) { heap.cancel(tokens[number]) }
        while let action = heap.pop(due: start) { action() }
        #expect(fired == Array(stride(from: 1, to: 1000, by: 2)))
        #expect(heap.count == 0 && heap.next() == nil)
    }

    @Test func `what a loop owns traps off the loop`() async {
        await #expect(processExitsWith: .failure) {
            let loop = try EventLoop("owner")
            let bound = LoopBound(1, on: loop)
            loop.start()
            let isRunning = Monitor(false)
            bound.execute { _ in
                isRunning.signal {
                    $0 = true
                    return true
                }
            }
            _ = isRunning.wait { $0 ? true : nil }
            _ = bound.value
        }
    }

    @Test(
        arguments: [
            ("127.0.0.1:9876", "127.0.0.1", 9876), ("localhost:1", "127.0.0.1", 1), ("[::1]:65535", "::1", 65_535),
        ])
    func `addresses resolve`(text: String, host: String, port: Int) throws {
        let address = try SocketAddress.resolve(text)
        #expect(address.port == port && (address.host == host || address.host == "[\(host)]" || address.host == "::1"))
    }

    @Test(arguments: ["", "nowhere", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:x", ":", "no.such.host.invalid:1"])
    func `addresses that are none are refused`(text: String) {
        #expect(throws: SystemError.self) { try SocketAddress.resolve(text) }
    }
}
