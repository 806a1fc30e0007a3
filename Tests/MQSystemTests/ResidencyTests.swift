import Glibc
import MQBytes
import MQSystem
import MQTestKit
import Testing

@Suite struct ResidencyTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder("apus-residency") }

    @Test func `runs are in memory when their pages are, whatever lies between`() throws {
        let page = Int(getpagesize())
        let file = try File(folder.path + "/file", .create)
        try file.write([UInt8](repeating: 7, count: 1000 * page).span, at: 0)
        try file.synchronizeData()
        let mapping = try Mapping(file, byteCount: 1000 * page)
        #expect(mapping.isInMemory([0..<1000 * page]))
        #expect(posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0)
        guard !mapping.isInMemory([0..<1]) else { return }  // this file system keeps everything
        #expect(posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_RANDOM) == 0)
        var buffer = ByteBuffer()
        for number in [3, 20, 21, 40, 500, 999] { _ = try file.read(1, at: number * page, into: &buffer) }
        func has(_ runs: Range<Int>...) -> Bool { mapping.isInMemory(runs[...]) }
        #expect(has(3 * page..<4 * page))
        #expect(has(3 * page..<3 * page + 1, 20 * page + 9..<22 * page, 40 * page..<40 * page + 1))
        #expect(has(500 * page..<501 * page, 3 * page..<4 * page, 999 * page..<1000 * page))
        #expect(!has(3 * page..<4 * page + 1))
        #expect(!has(3 * page..<4 * page, 19 * page..<22 * page))
        #expect(!has(3 * page - 1..<4 * page))
        #expect(!has(0..<1000 * page))
        #expect(has())
    }

    @Test func `what is read ahead comes into memory`() throws {
        let page = Int(getpagesize())
        let file = try File(folder.path + "/file", .create)
        try file.write([UInt8](repeating: 7, count: 300 * page).span, at: 0)
        try file.synchronizeData()
        let mapping = try Mapping(file, byteCount: 300 * page)
        #expect(posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0)
        mapping.readAhead(10 * page + 5..<1_000_000 * page)  // past the end is cut
        for _ in 0..<5000 where !mapping.isInMemory([10 * page..<300 * page]) { usleep(1000) }
        #expect(mapping.isInMemory([10 * page..<300 * page]))
        mapping.readAhead(300 * page..<400 * page)
        mapping.readAhead(-5..<0)
    }
}
