import Foundation
import MQBytes
import MQSystem
import MQTestKit
import Testing

@testable import MQTransport

/// Loops, listeners and what was told to handlers, stopped when this goes.
final class Station {
    let loops: [EventLoop]
    private let listener: Listener

    var address: SocketAddress { listener.address }

    init(
        loops count: Int = 1, connectionsMax: Int = 1000,
        _ make: @escaping @Sendable (Connection) -> (any ConnectionHandler)?
    ) throws {
        let loops = try (0..<count).map { try EventLoop("test-\($0)") }
        self.loops = loops
        listener = try Listener(
            SocketAddress(ip: [127, 0, 0, 1], port: 0), loops: loops, connectionsMax: connectionsMax, accepted: make)
        for loop in loops { loop.start() }
        listener.start()
    }

    func stopListening() { listener.stop() }

    func stop() { for loop in loops { loop.stop() } }

    deinit { stop() }
}

/// Notes of what happened, in order, to wait for. Any thread.
final class Notes: Sendable {
    private let lines = Monitor<[String]>([])

    func add(_ line: String) {
        lines.signal {
            $0.append(line)
            return true
        }
    }

    /// Waits until `count` lines are there.
    func wait(for count: Int) -> [String] {
        lines.wait(milliseconds: 20_000) { $0.count >= count ? $0 : nil } ?? lines.withLock { $0 }
    }
}

/// Sends back what arrives.
final class Echo: ConnectionHandler {
    private let notes: Notes?

    init(_ notes: Notes? = nil) { self.notes = notes }

    func received(_ bytes: Span<UInt8>, on connection: Connection) -> Int {
        connection.send { $0.append(bytes) }
        return bytes.count
    }

    func closed(_ connection: Connection, because reason: CloseReason) { notes?.add("\(reason)") }
}

/// Does what it is told when it begins; reads and forgets.
final class Sink: ConnectionHandler {
    private let notes: Notes?
    private let onBytes: (Span<UInt8>, Connection) -> Int

    init(_ notes: Notes? = nil, _ onBytes: @escaping (Span<UInt8>, Connection) -> Int = { bytes, _ in bytes.count }) {
        self.notes = notes
        self.onBytes = onBytes
    }

    func received(_ bytes: Span<UInt8>, on connection: Connection) -> Int { onBytes(bytes, connection) }

    func closed(_ connection: Connection, because reason: CloseReason) { notes?.add("\(reason)") }
}

/// A blocking socket.
final class RawSocket {
    let descriptor: Int32

    init(_ address: SocketAddress) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let result = unsafe address.withSockaddr { unsafe Glibc.connect(descriptor, $0, $1) }
        try #require(result == 0)
    }

    deinit { Glibc.close(descriptor) }

    func send(_ bytes: [UInt8]) {
        var done = 0
        while done < bytes.count {
            let sent = bytes[done...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if sent <= 0 { return }
            done += sent
        }
    }

    /// Up to `limit` bytes; empty at the end.
    func receive(_ limit: Int = 1 << 16) -> [UInt8] {
        var chunk = [UInt8](repeating: 0, count: limit)
        let got = MQTestKit.receive(descriptor, into: &chunk)
        return Array(chunk.prefix(max(0, got)))
    }

    /// `count` bytes, or what came before the end.
    func receive(exactly count: Int, pieces: Int = 1 << 16) -> [UInt8] {
        var all: [UInt8] = []
        while all.count < count {
            let piece = receive(min(pieces, count - all.count))
            if piece.isEmpty { break }
            all += piece
        }
        return all
    }

    func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }
}
