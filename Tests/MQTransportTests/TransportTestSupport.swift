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

extension RawSocket {
    /// - Precondition: an address of loopback.
    convenience init(_ address: SocketAddress) throws { try self.init(port: address.port) }
}
