import Foundation
import MQBase
import MQBytes
import Testing

@testable import MQSystem

/// A folder that goes away with this object.
private final class TestFolder: Sendable {
    let path = FileManager.default.temporaryDirectory.path + "/apus-system-\(UUID().uuidString)"

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

@Suite struct FileTests {
    private let folder: TestFolder

    init() throws { folder = try TestFolder() }

    private func path(_ name: String) -> String { folder.path + "/" + name }

    @Test func `what is written is read, at any place`() throws {
        let file = try File(path("f"), .create)
        try file.write(Array("world".utf8).span, at: 6)
        try file.write(Array("hello ".utf8).span, at: 0)
        #expect(try file.byteCount() == 11)
        var buffer = ByteBuffer()
        buffer.append(UInt8(ascii: ">"))
        #expect(try file.read(5, at: 6, into: &buffer) == 5)
        #expect(try file.read(100, at: 9, into: &buffer) == 2 && file.read(10, at: 11, into: &buffer) == 0)
        #expect(buffer.span.toString() == ">worldld")
        #expect(try file.readAll(limit: 11) == Array("hello world".utf8))
        #expect(throws: SystemError(code: EFBIG, call: "read", subject: path("f"))) { try file.readAll(limit: 10) }
        #expect(try File(path("f"), .replace).byteCount() == 0)
    }

    @Test func `a missing file is an error with its name`() {
        #expect(throws: SystemError(code: ENOENT, call: "open", subject: path("none"))) {
            try File(path("none"), .read)
        }
        let error = SystemError(code: ENOENT, call: "open", subject: "x")
        #expect(
            error.isNotFound && !error.isNoSpace && !error.isLocked
                && error.description == "open x: No such file or directory")
    }

    @Test func `what is in memory is read without waiting, the rest is not`() throws {
        let file = try File(path("f"), .create)
        try file.write([UInt8](repeating: 7, count: 10_000).span, at: 0)
        var buffer = ByteBuffer()
        buffer.append(1)
        let got = try file.readIfInMemory(10_000, at: 0, into: &buffer)
        #expect(got == nil || got == 10_000)  // a file system may not know
        #expect(buffer.count == 1 + (got ?? 0))
        if got != nil { #expect(try file.readIfInMemory(100, at: 9_990, into: &buffer) == 10) }
    }

    @Test func `zeroes are written where they are wanted and only there`() throws {
        let file = try File(path("f"), .create)
        try file.write([UInt8](repeating: 7, count: 20_000).span, at: 0)
        try file.zero(100..<12_345)
        try file.zero(0..<0)
        let bytes = try file.readAll(limit: 20_000)
        #expect(bytes.count == 20_000)
        #expect(bytes[..<100].allSatisfy { $0 == 7 } && bytes[12_345...].allSatisfy { $0 == 7 })
        #expect(bytes[100..<12_345].allSatisfy { $0 == 0 })
    }

    @Test func `a file is filled ahead, and the filling can be stopped`() throws {
        try File(path("f"), .create).allocate(byteCount: 3 << 20)
        let direct = try File(path("f"), .direct)
        try direct.fillWithZeroes(byteCount: 3 << 20)
        #expect(try direct.byteCount() == 3 << 20)
        var rounds = 0
        try direct.fillWithZeroes(byteCount: 3 << 20) {
            rounds += 1
            return rounds < 2
        }
        #expect(rounds <= 2)
    }

    @Test func `a file is replaced whole, with the old one beside it if wanted`() throws {
        try File.replace(path("f"), with: [1])
        try File.replace(path("f"), with: [2, 2], keepsBackup: true)
        #expect(try File.contents(of: path("f"), limit: 10) == [2, 2])
        #expect(try File.contents(of: path("f.bak"), limit: 10) == [1])
        #expect(try File.contents(of: path("none"), limit: 10) == nil)
        #expect(throws: SystemError.self) { try File.contents(of: path("f"), limit: 1) }
        #expect(try Directory.names(in: folder.path) == ["f", "f.bak"])
    }

    /// Java takes the same lock, so another process is what counts.
    @Test func `another process finds the lock taken, until we let go`() throws {
        let script = """
            import fcntl, sys
            f = open(sys.argv[1], 'r+')
            try:
                fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
            except OSError:
                sys.exit(7)
            """
        func other() throws -> Int32 {
            let process = Process()
            process.executableURL = URL(filePath: "/usr/bin/env")
            process.arguments = ["python3", "-c", script, path("lock")]
            try process.run()
            process.waitUntilExit()
            return process.terminationStatus
        }
        var file: File? = try File(path("lock"), .create)
        #expect(try other() == 0)
        try file?.lock()
        #expect(try other() == 7)
        file = nil
        #expect(try other() == 0)
    }

    @Test func `a mapping shows what is written to the file, and the other way round`() throws {
        let file = try File(path("f"), .create)
        try file.truncate(to: 8192)
        let reader = try Mapping(file, byteCount: 8192)
        let writer = try Mapping(file, byteCount: 8192, writable: true)
        try file.write([1, 2, 3, 4].span, at: 4094)
        #expect(reader.int32(at: 4094) == 0x0102_0304)
        writer.store(bigEndian: Int64(-2), at: 8184)
        #expect(reader.int64(at: 8184) == -2)
        #expect(try file.readAll(limit: 8192).suffix(2) == [0xFF, 0xFE])
        #expect(reader.bytes(4094..<4096).toArray() == [1, 2])
    }

    @Test func `reading outside a mapping traps`() async throws {
        let path = path("outside")
        try Data(count: 4096).write(to: URL(filePath: path))
        await #expect(processExitsWith: .failure) { [path = path as String] in
            let mapping = try Mapping(try File(path, .read), byteCount: 4096)
            _ = mapping.int64(at: 4089)
        }
    }
}

@Suite struct DirectoryTests {
    @Test func `folders are made, listed, renamed and removed`() throws {
        let folder = try TestFolder()
        let deep = folder.path + "/a/b/c"
        try Directory.create(deep)
        try Directory.create(deep)
        for name in ["2", "10", "1"] { _ = try File(deep + "/" + name, .create) }
        #expect(try Directory.names(in: deep) == ["1", "10", "2"] && Directory.names(in: folder.path + "/none") == [])
        try Directory.rename(deep + "/1", to: deep + "/2")
        try Directory.removeFile(deep + "/10")
        try Directory.removeFile(deep + "/10")
        #expect(try Directory.names(in: deep) == ["2"] && Directory.exists(deep) && !Directory.exists(deep + "/10"))
        try Directory.synchronize(deep)
        #expect((Directory.modificationTime(deep + "/2") ?? 0) > 1_700_000_000_000)
        let space = try #require(Directory.space(at: deep))
        #expect(space.total > 0 && space.available <= space.total)
        try Directory.removeTree(folder.path + "/a")
        try Directory.removeTree(folder.path + "/a")
        #expect(try Directory.names(in: folder.path) == [])
    }

    @Test func `a folder that cannot be made is an error with its name`() throws {
        let folder = try TestFolder()
        _ = try File(folder.path + "/file", .create)
        #expect(throws: SystemError.self) { try Directory.create(folder.path + "/file/x") }
    }
}

@Suite struct ThreadTests {
    @Test func `a lock lets one in at a time`() {
        let lock = Lock(0)
        let threads = (0..<4).map { number in
            Thread("adder-\(number)") { for _ in 0..<20_000 { lock.withLock { $0 += 1 } } }
        }
        for thread in threads { thread.join() }
        #expect(lock.withLock { $0 } == 80_000)
    }

    @Test func `who waits for a lock gives up when others have it for too long, and has it when they let go in time`() {
        let (lock, step) = (Lock(0), Monitor(0))
        @Sendable func goOn(to next: Int) {
            step.signal {
                $0 = next
                return true
            }
        }
        let holder = Thread("holder") {
            lock.withLock { value in
                goOn(to: 1)
                _ = step.wait { $0 == 2 ? true : nil }
                value = 7
            }
        }
        _ = step.wait { $0 == 1 ? true : nil }
        var asked = 0
        let begun = SystemClock.now()
        let missed = lock.withLock(within: {
            asked += 1; return 30
        }) { $0 }
        #expect(missed == nil && asked == 1 && SystemClock.now().milliseconds(since: begun) >= 30)
        #expect(lock.withLock(within: { -5 }) { $0 } == nil, "no patience at all")
        goOn(to: 2)
        #expect(lock.withLock(within: { .max }) { $0 } == 7)
        holder.join()
        #expect(
            lock.withLock(within: {
                asked += 1; return 0
            }) { $0 } == 7 && asked == 1, "nobody has it")
    }

    @Test func `a monitor hands values from thread to thread, each once`() {
        let queue = Monitor<(items: [Int], isOver: Bool)>(([], false))
        let seen = Lock<[Int]>([])
        let readers = (0..<3).map { number in
            Thread("reader-\(number)") {
                while true {
                    let item: Int?? = queue.wait { state in
                        if let first = state.items.first {
                            state.items.removeFirst()
                            return .some(first)
                        }
                        return state.isOver ? .some(nil) : nil
                    }
                    guard let value = item ?? nil else { return }
                    seen.withLock { $0.append(value) }
                }
            }
        }
        for item in 0..<3000 {
            queue.signal {
                $0.items.append(item)
                return true
            }
        }
        for _ in readers {
            queue.signal {
                $0.isOver = true
                return true
            }
        }
        for reader in readers { reader.join() }
        #expect(seen.withLock { $0.sorted() } == Array(0..<3000))
    }

    @Test func `a wait ends at its time, or at once if there is what it waits for`() {
        let monitor = Monitor(1)
        let started = ContinuousClock.now
        #expect(monitor.wait(milliseconds: 30) { $0 == 2 ? true : nil } == nil)
        let waited = ContinuousClock.now - started
        #expect(waited >= .milliseconds(29) && waited < .seconds(5), "\(waited)")
        #expect(monitor.wait(milliseconds: 60_000) { $0 == 1 ? "there" : nil } == "there")
        #expect(monitor.wait(milliseconds: -5) { $0 == 2 ? true : nil } == nil)
        #expect(monitor.wait(milliseconds: .min) { $0 == 2 ? true : nil } == nil)
    }

    /// Timeouts may come from peers; one that is too long must wait, not trap or spin.
    @Test func `a wait for ages waits`() {
        let monitor = Monitor(0)
        let thread = Thread("late") {
            SystemClock.sleep(milliseconds: 20)
            monitor.signal {
                $0 = 1
                return true
            }
        }
        #expect(monitor.wait(milliseconds: .max) { $0 == 1 ? true : nil } == true)
        thread.join()
    }
}

@Suite struct ClockTests {
    @Test func `instants saturate instead of overflowing`() {
        let now = SystemClock.now()
        #expect(
            now.advanced(byMilliseconds: .max).nanoseconds == .max
                && now.advanced(byMilliseconds: .min).nanoseconds == .min)
        #expect(now.advanced(byMilliseconds: 5).milliseconds(since: now) == 5)
        #expect(SystemClock.now() >= now)
    }

    @Test func `local times are printed as RocketMQ prints them`() {
        let text = SystemClock.localText(Timestamp(rawValue: 1_795_241_524_644))
        #expect(text.count == 23 && text.hasSuffix(",644") && text.hasPrefix("2026-11-2"), "\(text)")
        #expect(abs(SystemClock.wall().rawValue - Int64(Date().timeIntervalSince1970 * 1000)) < 5000)
    }

    @Test func `months have bounds`() {
        let (start, end) = SystemClock.monthBounds(1_795_241_524_644)
        let time = SystemClock.local(Timestamp(rawValue: start))
        #expect(time.day == 1 && time.hour == 0 && time.minute == 0 && time.second == 0 && time.millisecond == 0)
        #expect(SystemClock.local(Timestamp(rawValue: end)).month == time.month % 12 + 1 && start < end)
    }
}
