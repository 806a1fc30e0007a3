import Testing

@testable import MQSystem

/// Goal: a broker in a container counts on the container's memory. Method: the files of control groups as values.
@Suite struct MemoryLimitTests {
    private func limit(_ groups: String?, _ files: [String: String]) -> UInt64 {
        MemoryLimit.effective(physical: 1000, processCgroup: groups) { files[$0] }
    }

    @Test func `without a limit it is the machine's memory`() {
        #expect(limit(nil, [:]) == 1000)
        #expect(limit("0::/a\n", [:]) == 1000)
        #expect(limit("0::/a\n", ["/sys/fs/cgroup/a/memory.max": "max\n"]) == 1000)
        #expect(limit("0::/\n", ["/sys/fs/cgroup/memory.max": "5000\n"]) == 1000)
        #expect(limit("nonsense\n0::/../a\n", ["/sys/fs/cgroup/../a/memory.max": "5"]) == 1000)
    }

    @Test func `the smallest limit on the way to the root counts`() {
        let files = [
            "/sys/fs/cgroup/a/b/memory.max": "700\n", "/sys/fs/cgroup/a/memory.max": "600\n",
            "/sys/fs/cgroup/memory.max": "max\n",
        ]
        #expect(limit("0::/a/b\n", files) == 600)
        #expect(limit("0::/a\n", files) == 600)
        #expect(limit("0::/c/d\n", files) == 1000)
    }

    @Test func `a container whose path is the host's has its limit at the root`() {
        #expect(limit("0::/docker/77\n", ["/sys/fs/cgroup/memory.max": "300\n"]) == 300)
    }

    @Test func `the memory controller of version 1 has a folder of its own`() {
        let groups = "12:cpu,cpuacct:/x\n5:memory:/x\n0::/y\n"
        let files = [
            "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "400\n",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        ]
        #expect(limit(groups, files) == 400)
    }

    @Test func `this process has some`() {
        #expect((1 << 20)...ThisProcess.physicalMemory ~= MemoryLimit.current)
    }
}
