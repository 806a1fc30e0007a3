import Foundation
import MQBase
import MQProtocol
import MQSystem
import MQTestKit
import Testing

@testable import MQBroker

/// A disk whose syncs of one folder take as long as a test wishes.
private final class SlowDisk: DiskObserver, Sendable {
    private let isStuck = Monitor(false)

    func changed(_ change: DiskChange) {
        guard case .synchronize = change else { return }
        _ = isStuck.wait(milliseconds: 20_000) { $0 ? nil : true }
    }

    func hold(_ holds: Bool) {
        isStuck.signal {
            $0 = holds
            return true
        }
    }
}

/// Goal: a disk that does not keep up makes the broker refuse sends in RocketMQ's words, and nothing else; what was taken is
/// answered when it is durable.
@Suite struct SlowFlushTests {
    /// A broker with synchronous flush whose log, or what is named instead, is on the slow disk.
    private func run(
        _ keys: [String: String], slow part: String = "commitlog", _ body: (RunningBroker, SlowDisk) throws -> Void
    ) throws {
        let common = ["flushDiskType": "SYNC_FLUSH", "syncFlushTimeout": "10000"]
        let running = try RunningBroker(common.merging(keys) { $1 })
        running.stop()
        let (disk, log) = (SlowDisk(), running.folder.path + "/" + part)
        DiskWatch.begin(log, disk)
        defer { DiskWatch.end(log) }
        defer { disk.hold(false) }
        try running.restart()
        let peer = try running.connect()
        #expect(try peer.ask(.put("t", "before")).responseCode == .success)
        disk.hold(true)
        try body(running, disk)
    }

    @Test func `sends over what may wait for the flush are refused, and taken again behind it`() throws {
        try run(["sendThreadPoolQueueCapacity": "3"]) { running, disk in
            let (first, second) = (try running.connect(), try running.connect())
            let opaques = (0..<3).map { _ in first.post(.put("t", "waits")) }
            // The three are stored when a pull by somebody else would see them; a send is staged in the same wake-up.
            var refusal = try second.ask(.put("t", properties: "WAIT\u{1}false\u{2}"))
            while refusal.responseCode == .success {
                refusal = try second.ask(.put("t", properties: "WAIT\u{1}false\u{2}"))
            }
            #expect(refusal.responseCode == .systemBusy)
            #expect(refusal.remark == "[OVERLOAD]system busy, start flow control for a while")
            #expect(try second.ask(.put("t", with: ["b": "t%"])).responseCode == .systemBusy)
            #expect(
                try second.ask(RemotingCommand(.getMaxOffset, ["topic": "t", "queueId": "0"])).responseCode == .success)
            disk.hold(false)
            for opaque in opaques {
                let answer = try first.receive()
                #expect(answer.opaque == opaque && answer.responseCode == .success)
            }
            #expect(try second.ask(.put("t", "after")).responseCode == .success)
        }
    }

    @Test func `behind a flush that takes too long sends are refused, send-backs too, and the key is live`() throws {
        try run(["osPageCacheBusyTimeOutMills": "3600000"]) { running, disk in
            let (first, second) = (try running.connect(), try running.connect())
            first.post(.put("t", "waits"))
            let begun = SystemClock.now()
            while SystemClock.now().milliseconds(since: begun) < 20 {
                let answer = try second.ask(.put("t", properties: "WAIT\u{1}false\u{2}"))
                #expect(answer.responseCode == .success, "an hour is long")
            }
            _ = try second.ask(
                RemotingCommand(.updateBrokerConfig, body: Array("osPageCacheBusyTimeOutMills=1".utf8)))
            let refused = try second.ask(.put("t"))
            #expect(refused.responseCode == .systemBusy)
            #expect(refused.remark == "[REJECTREQUEST]system busy, start flow control for a while")
            _ = try second.ask(.heartbeat(group: "g", topic: "t"))
            #expect(try second.ask(.sendBack(0, group: "g", level: 1)).remark == refused.remark)
            disk.hold(false)
            #expect(try first.receive().responseCode == .success)
            #expect(try second.ask(.put("t")).responseCode == .success)
            #expect(try second.ask(.sendBack(0, group: "g", level: 1)).responseCode == .success)
        }
    }

    @Test func `pops and acks that wait for their journal are counted, and refused over a bound`() throws {
        try run(["ackThreadPoolQueueCapacity": "1"], slow: "pop") { running, disk in
            let (first, second) = (try running.connect(), try running.connect())
            func figure(_ name: String) throws -> String? {
                try KVTable(parsing: second.ask(RemotingCommand(.getBrokerRuntimeInfo)).body)
                    .table["ackThreadPoolQueue" + name]
            }
            #expect(try figure("Size") == "0" && figure("Capacity") == "1" && figure("HeadWaitTimeMills") == "0")
            #expect(try second.ask(.heartbeat(group: "g", topic: "t")).responseCode == .success)
            let opaque = first.post(.pop("t", queue: 0, poll: 10_000))
            let begun = SystemClock.now()
            while try figure("Size") != "1", SystemClock.now().milliseconds(since: begun) < 10_000 {}
            #expect(try figure("Size") == "1")
            let refused = try second.ask(.pop("t", queue: 0))
            #expect(refused.responseCode == .systemBusy)
            #expect(refused.remark == "[OVERLOAD]system busy, start flow control for a while")
            #expect(try second.ask(.put("t", "other")).responseCode == .success, "sends do not wait for it")
            while try figure("HeadWaitTimeMills") == "0", SystemClock.now().milliseconds(since: begun) < 10_000 {}
            #expect(try figure("HeadWaitTimeMills") != "0")
            disk.hold(false)
            let popped = try first.receive()
            #expect(popped.opaque == opaque && popped.responseCode == .success)
            #expect(try second.popSome(.pop("t", queue: 0)).map(\.text) == ["other"])
            #expect(try figure("Size") == "0" && figure("HeadWaitTimeMills") == "0")
        }
    }

    @Test func `before startAcceptSendRequestTimeStamp sends are refused with the time`() throws {
        let time = 4_102_444_800_000  // 2100
        let running = try RunningBroker(["startAcceptSendRequestTimeStamp": "\(time)"])
        let refused = try running.connect().ask(.put("t"))
        #expect(refused.responseCode == .systemError)
        let text = SystemClock.localText(Timestamp(rawValue: Int64(time)))
        #expect(refused.remark == "broker unable to service, until \(text)")
    }
}
