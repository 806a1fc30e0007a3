import Foundation
import MQBytes
import MQSystem
import MQTestKit
import Testing

/// Goal: files, folders, mappings and locks do what their names say, and what fails says what it was.
@Suite struct FileAndMappingTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder("apus-system") }

    @Test func `bytes written at a place are read there`() throws {
        let file = try File(folder.path + "/a", .create)
        try file.write([1, 2, 3].span, at: 4)
        #expect(try file.byteCount() == 7)
        var buffer = ByteBuffer()
        #expect(try file.read(100, at: 3, into: &buffer) == 4)
        #expect(buffer.toArray() == [0, 1, 2, 3])
        #expect(try file.readAll(limit: 100) == [0, 0, 0, 0, 1, 2, 3])
        try file.truncate(to: 5)
        try file.synchronizeData()
        #expect(try File(folder.path + "/a", .read).readAll(limit: 100) == [0, 0, 0, 0, 1])
    }

    @Test func `a mapping shows what is written through the file, and the other way round`() throws {
        let file = try File(folder.path + "/m", .create)
        try file.truncate(to: 4096)
        let mapping = try Mapping(file, byteCount: 4096, writable: true)
        try file.write([0, 0, 0, 42].span, at: 8)
        #expect(mapping.int32(at: 8) == 42)
        mapping.store(bigEndian: Int64(-2), at: 16)
        var buffer = ByteBuffer()
        _ = try file.read(8, at: 16, into: &buffer)
        #expect(buffer.toArray() == [255, 255, 255, 255, 255, 255, 255, 254])
        #expect(mapping.bytes(8..<12).toArray() == [0, 0, 0, 42])
    }

    @Test func `reading outside a mapping traps`() async throws {
        let path = folder.path + "/outside"
        try Data(count: 4096).write(to: URL(filePath: path))
        await #expect(processExitsWith: .failure) { [path = path as String] in
            let mapping = try Mapping(try File(path, .read), byteCount: 4096)
            _ = mapping.int64(at: 4089)
        }
    }

    @Test func `a lock keeps other processes out, Java's way of locking included`() async throws {
        let path = folder.path + "/lock"
        let tryLock = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        func statusOfAnother() async throws -> Int32 {
            try await Command.run(
                URL(filePath: "/usr/bin/env"), ["python3", "-c", tryLock, path],
                environment: ProcessInfo.processInfo.environment, in: folder.url
            ).status
        }
        do {
            let file = try File(path, .create)
            try file.lock()
            #expect(try await statusOfAnother() == 1)
            withExtendedLifetime(file) {}
        }
        #expect(try await statusOfAnother() == 0)
    }

    @Test func `folders are made with their parents, listed, renamed and removed`() throws {
        let path = folder.path + "/a/b/c"
        try Directory.create(path)
        try Directory.create(path)
        _ = try File(path + "/one", .create)
        _ = try File(path + "/two", .create)
        #expect(try Directory.names(in: path).sorted() == ["one", "two"])
        try Directory.rename(path + "/one", to: path + "/three")
        try Directory.removeFile(path + "/two")
        try Directory.synchronize(path)
        #expect(try Directory.names(in: path) == ["three"])
        #expect(Directory.exists(path) && !Directory.exists(path + "/one"))
        try Directory.removeTree(folder.path + "/a")
        #expect(!Directory.exists(folder.path + "/a"))
    }

    @Test func `what the system refuses is named`() throws {
        #expect {
            _ = try File(folder.path + "/none/file", .read)
        } throws: { error in
            guard let error = error as? SystemError else { return false }
            return error.isNotFound && error.call == "open" && error.subject.hasSuffix("/none/file")
                && error.description.hasSuffix("No such file or directory")
        }
    }

    @Test func `a monitor wakes who waits`() {
        let monitor = Monitor(0)
        let thread = MQSystem.Thread("waker") {
            for _ in 0..<100 {
                monitor.signal {
                    $0 += 1
                    return true
                }
            }
        }
        #expect(monitor.wait { $0 == 100 ? $0 : nil } == 100)
        thread.join()
        #expect(monitor.wait(milliseconds: 1) { $0 > 100 ? $0 : nil } == nil)
    }
}
