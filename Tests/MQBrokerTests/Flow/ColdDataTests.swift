import Foundation
import MQBase
import MQJSON
import MQProtocol
import MQRemoting
import MQSystem
import MQTestKit
import Testing

@testable import MQBroker

#if canImport(Glibc)
    import Glibc
#endif

/// Reads from the disk are bounded, where an administrator wants that.
@Suite struct ColdDataTests {
    /// Says that nobody needs the log's pages.
    private func evict(_ running: RunningBroker) throws {
        let log = running.folder.path + "/commitlog"
        for name in try FileManager.default.contentsOfDirectory(atPath: log) {
            let file = try File("\(log)/\(name)", .readWrite)
            try file.synchronizeData()
            #expect(posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0)
        }
    }

    private func read(_ peer: RemotingPeer) throws -> Int64 {
        try peer.ask(RemotingCommand(.getColdDataFlowControl)).json["runtimeTable"]["consumers"]["coldAcc"].int64 ?? 0
    }

    @Test func `a group that has read its share is held until the next, or told so`() throws {
        let running = try RunningBroker(["coldDataFlowControlEnable": "true", "cgColdReadThreshold": "1"])
        var peer = try running.connect()
        for _ in 0..<256 { _ = try peer.ask(.put("t", String(repeating: "x", count: 4000))) }
        try running.restart()
        try evict(running)
        peer = try running.connect()
        let first = try peer.ask(.pull("t"))
        #expect(first.responseCode == .success)
        guard try read(peer) > 0 else { return }  // this file system keeps everything in memory
        try evict(running)
        let refused = try peer.ask(.pull("t", from: 128))
        guard refused.responseCode != .success else { return }  // read ahead by the system
        #expect(refused.responseCode == .systemBusy)
        #expect(refused.remark == "This consumer group is reading cold data. It has been flow control")
        let begun = SystemClock.now()
        let held = try peer.ask(.pull("t", from: 128, wait: 15_000))
        #expect(held.responseCode == .success && held.int64("nextBeginOffset") ?? 0 > 128)
        #expect(SystemClock.now().milliseconds(since: begun) < ColdDataShares.windowMilliseconds + 2000)
        let other = try peer.ask(.pull("t", from: 200, group: "others"))
        #expect(other.responseCode == .success)
        // RocketMQ asks nobody when messages are popped, and counts nothing then: what the group has read stays as it was.
        try evict(running)
        let before = try read(peer)
        #expect(try peer.ask(.pop("t", group: "consumers")).responseCode == .success)
        #expect(try read(peer) <= before)
    }

    @Test func `shares are set, told and removed`() throws {
        let control = try RunningControl(["cgColdReadThreshold": "77"])
        let peer = try control.connect()
        func told() throws -> RemotingCommand { try peer.ask(RemotingCommand(.getColdDataFlowControl)) }
        #expect(
            try told().json == [
                "runtimeTable": [:], "configTable": [:], "cgColdReadThreshold": 77,
                "globalColdReadThreshold": 104_857_600, "globalAcc": 0,
            ])
        let set = try peer.ask(RemotingCommand(.updateColdDataFlowControl, body: Array("g=5\nh=6\n".utf8)))
        #expect(set.responseCode == .success)
        #expect(try told().json["configTable"] == ["g": 5, "h": 6])
        for body in ["g=many", "g=-1", "a b=1", "i=1\nj=x"] {
            let refused = try peer.ask(RemotingCommand(.updateColdDataFlowControl, body: Array(body.utf8)))
            #expect(refused.responseCode == .invalidParameter, "\(body): \(refused)")
        }
        #expect(try told().json["configTable"] == ["g": 5, "h": 6])
        let removed = try peer.ask(RemotingCommand(.removeColdDataFlowControl, body: Array("g".utf8)))
        #expect(removed.responseCode == .success)
        #expect(try told().json["configTable"] == ["h": 6])
    }

    @Test func `reading ahead is switched off and on`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        func set(_ mode: String?) throws -> RemotingCommand {
            var request = RemotingCommand(.setCommitLogReadMode)
            request["READ_AHEAD_MODE"] = mode
            return try peer.ask(request)
        }
        #expect(control.config.current.pull.readsAhead)
        #expect(try set("1").remark == "set commitlog readahead mode success, mode: 1")
        #expect(!control.config.current.pull.readsAhead)
        #expect(try set("0").responseCode == .success)
        #expect(control.config.current.pull.readsAhead)
        #expect(try set("7").remark == "set commitlog readahead mode param value error")
        #expect(try set(nil).remark == "set commitlog readahead mode param error")
    }

    @Test func `what concerns RocksDB is answered as by a broker without it`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        #expect(try peer.ask(RemotingCommand(.checkRocksDBQueueProgress, ["topic": ""])).json == ["checkStatus": 2])
        #expect(try peer.ask(RemotingCommand(.exportRocksDBConfigToJSON)).remark == "export done.")
        #expect(try peer.ask(RemotingCommand(.popRollback)).responseCode == .success)
    }
}
