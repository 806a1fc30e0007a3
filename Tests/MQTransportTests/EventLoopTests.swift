import Foundation
import MQBase
import MQBytes
import MQSystem
import MQTestKit
import Testing

@testable import MQTransport

@Suite struct EventLoopTests {
    @Test func `jobs and timers run on the loop, in order`() throws {
        let loop = try EventLoop("test")
        loop.start()
        let notes = Notes()
        for number in 0..<5 { loop.execute { notes.add("job \(number) \(loop.isOnLoop)") } }
        loop.execute {
            loop.schedule(afterMilliseconds: 20) { notes.add("late") }
            loop.schedule(afterMilliseconds: 5) { notes.add("soon") }
            loop.schedule(afterMilliseconds: -5) { notes.add("at once") }
            let token = loop.schedule(afterMilliseconds: 1) { notes.add("never") }
            loop.cancel(token)
            loop.schedule(afterMilliseconds: .max) { notes.add("in ages") }
        }
        let lines = notes.wait(for: 8)
        #expect(lines == (0..<5).map { "job \($0) true" } + ["at once", "soon", "late"])
        #expect(!loop.isOnLoop)
        loop.stop()
    }

    @Test func `many threads may give jobs, none is lost`() throws {
        let loop = try EventLoop("test")
        loop.start()
        let count = Monitor(0)
        let threads = (0..<4).map { number in
            Thread("giver-\(number)") {
                for _ in 0..<5000 {
                    loop.execute {
                        count.signal {
                            $0 += 1
                            return $0 == 20_000
                        }
                    }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(count.wait(milliseconds: 20_000) { $0 == 20_000 ? true : nil } == true)
        loop.stop()
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

    @Test(arguments: [1, 2])
    func `many connections are echoed at once`(loops: Int) throws {
        let station = try Station(loops: loops) { _ in Echo() }
        let sockets = try (0..<100).map { _ in try RawSocket(station.address) }
        for (number, socket) in sockets.enumerated() {
            socket.send((0..<1000).map { UInt8(truncatingIfNeeded: number &+ $0) })
        }
        for (number, socket) in sockets.enumerated() {
            #expect(socket.receive(exactly: 1000) == (0..<1000).map { UInt8(truncatingIfNeeded: number &+ $0) })
        }
    }

    @Test func `a large frame grows a buffer of its own`() throws {
        let size = 5_000_000
        let station = try Station { _ in
            Sink { bytes, connection in  // frames of `size` bytes: nothing is taken before one is whole
                guard bytes.count >= size else { return 0 }
                var sum: UInt64 = 0
                for index in 0..<size { sum &+= UInt64(bytes[index]) &* UInt64(index & 0xFF) }
                connection.send { $0.append(bigEndian: sum) }
                return size
            }
        }
        let socket = try RawSocket(station.address)
        let frame = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let sum = frame.enumerated().reduce(UInt64(0)) { $0 &+ UInt64($1.element) &* UInt64($1.offset & 0xFF) }
        for _ in 0..<3 {
            // The next frame begins in the packet that ends this one.
            socket.send(frame)
            let answer = socket.receive(exactly: 8)
            #expect(answer.reduce(UInt64(0)) { $0 << 8 | UInt64($1) } == sum)
        }
        socket.send(frame + frame.prefix(100))
        #expect(socket.receive(exactly: 8).count == 8)
        socket.send(Array(frame.dropFirst(100)))
        #expect(socket.receive(exactly: 8).count == 8)
    }

    @Test(arguments: 0..<6)
    func `bytes that are taken in part come again with the next`(seed: Int) throws {
        // Frames of one length byte and so many bytes; the answer is each frame's last byte.
        let station = try Station { _ in
            Sink { bytes, connection in
                var position = 0
                while position < bytes.count {
                    let length = Int(bytes[position])
                    guard position + 1 + length <= bytes.count else { break }
                    connection.send { $0.append(bytes[position + length]) }
                    position += 1 + length
                }
                return position
            }
        }
        var random = SeededRandom(seed: UInt64(seed))
        var stream: [UInt8] = []
        var wanted: [UInt8] = []
        for _ in 0..<2000 {
            let length = Int.random(in: 1..<256, using: &random)
            let frame = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
            stream += [UInt8(length)] + frame
            wanted.append(frame[length - 1])
        }
        let socket = try RawSocket(station.address)
        var position = 0
        while position < stream.count {
            let end = min(stream.count, position + .random(in: 1..<3000, using: &random))
            socket.send(Array(stream[position..<end]))
            position = end
        }
        #expect(socket.receive(exactly: wanted.count) == wanted, "seed \(seed)")
    }

    @Test func `output that the socket does not take at once goes on in order, mappings included`() throws {
        let path = FileManager.default.temporaryDirectory.path + "/apus-mapping-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let size = 1 << 20
        let file = try File(path, .create)
        var random = SeededRandom(seed: 7)
        let content = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
        try file.write(content.span, at: 0)
        let mapping = try Mapping(file, byteCount: size)
        var plan: [(own: Int, at: Int, count: Int)] = []
        for _ in 0..<700 {  // more pieces than one system call takes
            let at = Int.random(in: 0..<size - 60_000, using: &random)
            plan.append((.random(in: 0..<5000, using: &random), at, .random(in: 0..<60_000, using: &random)))
        }
        let wanted = plan.flatMap {
            Array(repeating: UInt8($0.own & 0xFF), count: $0.own) + content[$0.at..<$0.at + $0.count]
        }
        let station = try Station { [plan] _ in
            Sink { bytes, connection in
                for step in plan {
                    connection.send { $0.append(repeating: UInt8(step.own & 0xFF), count: step.own) }
                    connection.send(mapping, [step.at..<step.at + step.count][...])
                }
                connection.closeAfterOutput("done")
                return bytes.count
            }
        }
        let socket = try RawSocket(station.address)
        socket.send([1])
        let got = socket.receive(exactly: wanted.count + 1, pieces: 50_000)
        #expect(got.count == wanted.count)
        #expect(got == wanted)
    }

    @Test func `what the system gave up while a peer did not read arrives all the same`() throws {
        let path = FileManager.default.temporaryDirectory.path + "/apus-mapping-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let size = 24 << 20  // more than the sockets between us hold
        let file = try File(path, .create)
        var random = SeededRandom(seed: 11)
        let content = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
        try file.write(content.span, at: 0)
        try file.synchronizeData()
        let mapping = try Mapping(file, byteCount: size)
        let notes = Notes()
        let station = try Station { _ in
            Sink { bytes, connection in
                for start in stride(from: 0, to: size, by: 1 << 20) {
                    connection.send { $0.append(repeating: 9, count: 3) }
                    connection.send(mapping, [start..<start + (1 << 20)][...])
                }
                connection.closeAfterOutput("done")
                connection.loop.schedule(afterMilliseconds: 1) { notes.add("written what fits") }
                return bytes.count
            }
        }
        let socket = try RawSocket(station.address)
        socket.send([1])
        #expect(notes.wait(for: 1).count == 1)
        #expect(madvise(UnsafeMutableRawPointer(mutating: mapping.address(0)), size, MADV_DONTNEED) == 0)
        #expect(posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0)
        let wanted = stride(from: 0, to: size, by: 1 << 20).flatMap { [9, 9, 9] + content[$0..<$0 + (1 << 20)] }
        let got = socket.receive(exactly: wanted.count + 1, pieces: 200_000)
        #expect(got.count == wanted.count)
        #expect(got == wanted)
    }

    @Test func `a peer that does not read is closed at the bound`() throws {
        let path = FileManager.default.temporaryDirectory.path + "/apus-mapping-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let file = try File(path, .create)
        try file.truncate(to: 16 << 20)
        let mapping = try Mapping(file, byteCount: 16 << 20)
        let notes = Notes()
        let station = try Station { _ in
            Sink(notes) { bytes, connection in
                for _ in 0..<12 { connection.send(mapping, [0..<16 << 20][...]) }
                connection.send { $0.append(1) }  // nothing happens on a closed one
                return bytes.count
            }
        }
        let socket = try RawSocket(station.address)
        socket.send([1])
        #expect(notes.wait(for: 1).first?.hasPrefix("peer does not read") == true)
    }

    @Test func `whoever closes, the handler hears of it once`() throws {
        let notes = Notes()
        let station = try Station { _ in
            Sink(notes) { bytes, connection in
                if bytes[0] == 1 {
                    connection.close("enough")
                    connection.close("again")
                    connection.closeAfterOutput("and again")
                }
                return bytes.count
            }
        }
        let first = try RawSocket(station.address)
        first.send([1])
        #expect(notes.wait(for: 1) == ["enough"] && first.receive().isEmpty)
        let second = try RawSocket(station.address)
        second.send([2])
        second.endSending()
        #expect(notes.wait(for: 2) == ["enough", "closed by peer"])
        let third = try RawSocket(station.address)
        third.send([3])
        var linger = linger(l_onoff: 1, l_linger: 0)  // a reset instead of an end
        setsockopt(third.descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        shutdown(third.descriptor, Int32(SHUT_RDWR))
        #expect(notes.wait(for: 3).count == 3)
    }

    @Test func `stopping a loop closes its connections`() throws {
        let notes = Notes()
        let station = try Station { _ in Echo(notes) }
        let sockets = try (0..<5).map { _ in try RawSocket(station.address) }
        for socket in sockets {
            socket.send([7])
            #expect(socket.receive() == [7])
        }
        station.stop()
        #expect(notes.wait(for: 5) == Array(repeating: "shutting down", count: 5))
        for socket in sockets { #expect(socket.receive().isEmpty) }
    }

    @Test func `connections over the limit are refused, and come in when there is room`() throws {
        let notes = Notes()
        let station = try Station(connectionsMax: 2) { _ in Echo(notes) }
        var sockets = try (0..<2).map { _ in try RawSocket(station.address) }
        for socket in sockets {
            socket.send([1])
            #expect(socket.receive() == [1])
        }
        let refused = try RawSocket(station.address)
        #expect(refused.receive().isEmpty)
        sockets.removeLast()
        _ = notes.wait(for: 1)
        let again = try RawSocket(station.address)
        again.send([2])
        #expect(again.receive() == [2])
    }

    @Test func `a port in use is an error that says so, and stopping gives it back`() throws {
        let station = try Station { _ in Echo() }
        let loop = try EventLoop("other")
        #expect {
            _ = try Listener(station.address, loops: [loop]) { _ in nil }
        } throws: { ($0 as? SystemError)?.isAddressInUse == true && "\($0)".contains("\(station.address)") }
        station.stop()
        #expect(throws: Never.self) { _ = try Listener(station.address, loops: [loop]) { _ in nil } }
    }
}

@Suite struct ConnectorTests {
    private func connect(_ loop: EventLoop, _ address: SocketAddress, milliseconds: Int64 = 5000) -> String {
        let notes = Notes()
        loop.connect(to: address, timeoutMilliseconds: milliseconds) { result in
            switch result {
            case .success(let connection):
                connection.attach(Sink())
                connection.close("fine")
                notes.add("connected")
            case .failure(let error): notes.add("\(error.code)")
            }
        }
        return notes.wait(for: 1).first ?? "nothing"
    }

    @Test func `a connection is made, refused or given up`() throws {
        let station = try Station { _ in Echo() }
        let loop = try EventLoop("client")
        loop.start()
        #expect(connect(loop, station.address) == "connected")
        let gone = station.address
        station.stop()
        #expect(connect(loop, gone) == String(ECONNREFUSED))

        // A listener whose queue is full drops what else comes.
        let deaf = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { Glibc.close(deaf) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(deaf, $0, length)
                _ = listen(deaf, 0)
                _ = getsockname(deaf, $0, &length)
            }
        }
        let place = SocketAddress(ip: [127, 0, 0, 1], port: Int(UInt16(bigEndian: address.sin_port)))
        var waiting: [RawSocket] = []
        while waiting.count < 1 { waiting.append(try RawSocket(place)) }
        #expect(connect(loop, place, milliseconds: 100) == String(ETIMEDOUT))
        loop.stop()
    }
}

@Suite struct SocketAddressTests {
    @Test(arguments: [
        ("127.0.0.1:9876", "127.0.0.1:9876"), ("[::1]:80", "[::1]:80"), (":10911", "0.0.0.0:10911"),
        ("*:1", "0.0.0.0:1"),
        ("localhost:7", "127.0.0.1:7"),
    ])
    func `addresses are read and printed`(text: String, wanted: String) throws {
        #expect(try SocketAddress.resolve(text).description == wanted)
    }

    @Test(arguments: [
        "", "host", "1.2.3.4", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:65536", "1.2.3.4:-1", "no.such.host.invalid:1",
    ])
    func `what is no address is an error`(text: String) {
        #expect(throws: SystemError.self) { try SocketAddress.resolve(text) }
    }
}
