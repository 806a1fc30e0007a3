import Foundation
import MQJSON
import MQProtocol
import MQTestKit
import Testing

@testable import RocketMQClient

/// mqadmin's commands about reads from the disk, what RocksDB would hold, and compacted files, against the real executables.
@Suite(.serialized, .enabled(if: RunningCluster.isBuilt), .timeLimit(.minutes(3))) struct RealAdminColdDataTests {
    @Test func `shares of cold data are set, shown and removed`() async throws {
        try await RunningCluster.run { cluster in
            let target = ["-b", cluster.brokerAddress]
            let set = try await cluster.admin([
                "updateColdDataFlowCtrGroupConfig", "-c", "DefaultCluster", "-g", "g", "-v", "5",
            ])
            #expect(
                set.output == "updateColdDataFlowCtrGroupConfig success, \(cluster.brokerAddress)\n", "\(set.errors)")
            let shown = try await cluster.admin(["getColdDataFlowCtrInfo"] + target)
            #expect(
                shown.output.hasPrefix(" ============\(cluster.brokerAddress)============\n{\n\t\"globalAcc\":0,\n"))
            #expect(shown.output.contains("\t\"configTable\":{\n\t\t\"g\":5\n\t},\n"), "\(shown)")
            let listed = try await cluster.admin(["getColdDataFlowCtrInfo", "-c", "DefaultCluster"])
            #expect(listed.output.hasPrefix(" ============Master: \(cluster.brokerAddress)============\n"))
            let removed = try await cluster.admin(["removeColdDataFlowCtrGroupConfig", "-g", "g"] + target)
            #expect(removed.output == "remove broker cold read threshold success, \(cluster.brokerAddress)\n")
            let json = try await cluster.admin(["getColdDataFlowCtrInfo", "--json"] + target)
            #expect(try JSON(parsing: json.output)["brokers"][0]["shares"]["configTable"] == [:])
            let bad = try await cluster.admin(["updateColdDataFlowCtrGroupConfig", "-g", "g", "-v", "much"] + target)
            #expect(bad.code == 1 && bad.errors.contains("option -v expects a number, not much"), "\(bad)")
        }
    }

    @Test func `reading ahead and a slave's offset are set, RocksDB has nothing to do`() async throws {
        try await RunningCluster.run { cluster in
            let address = cluster.brokerAddress
            let off = try await cluster.admin("setCommitLogReadAheadMode", "-b", address, "-m", "1")
            #expect(
                off.output == " ============\(address)============\n"
                    + "commitLog set readAhead mode rstStrset commitlog readahead mode success, mode: 1\n", "\(off)")
            let config = try await cluster.admin("getBrokerConfig", "-b", address, "--json")
            let entries = try JSON(parsing: config.output)["configurations"][0]["config"]
            #expect(entries["dataReadAheadEnable"].string == "false")
            let bad = try await cluster.admin("setCommitLogReadAheadMode", "-b", address, "-m", "7")
            #expect(bad.code == 1 && bad.errors.contains("set the read mode error; 0 is default, 1 random read"))
            let reset = try await cluster.admin("resetMasterFlushOffset", "-b", address, "-o", "12")
            #expect(reset.output == "reset master flush offset to 12 success\n", "\(reset.errors)")
            let pops = try await cluster.admin("exportPopRecord", "-c", "DefaultCluster", "-d", "true")
            #expect(
                pops.output == "Export broker records, brokerName=broker-a, brokerAddr=\(address), dryRun=true\n",
                "\(pops.errors)")
            let one = try await cluster.admin("exportPopRecord", "-b", address)
            #expect(one.output.hasSuffix("brokerName=broker-a, brokerAddr=\(address), dryRun=false\n"), "\(one)")
            let check = try await cluster.admin("checkRocksdbCqWriteProgress", "-c", "DefaultCluster")
            #expect(check.output == "broker-a check doing, please wait and get the result from log... \n", "\(check)")
            let export = try await cluster.admin("rocksDBConfigToJson", "-c", "DefaultCluster", "-t", "topics")
            #expect(export.output.hasSuffix("broker export done.\n"), "\(export.errors)")
            for words in [["-t", "all", "-b", address], ["-t", "topics", "-p", "/nowhere"], ["-t", "topics"]] {
                let refused = try await cluster.admin(["rocksDBConfigToJson"] + words)
                #expect(refused.code == 1 && refused.errors.hasPrefix("mqadmin rocksDBConfigToJson: "), "\(refused)")
            }
        }
    }

    @Test func `a compacted file is printed`() async throws {
        let settings = [
            "compactionScheduleInternal": "200", "flushIntervalCommitLog": "50", "flushCommitLogLeastPages": "0",
        ]
        try await RunningCluster.run(settings) { cluster in
            try await cluster.admin(
                "updateTopic", "-c", "DefaultCluster", "-t", "states", "-r", "1", "-w", "1", "-a",
                "+cleanup.policy=COMPACTION")
            let producer = try Producer(group: "p", client: cluster.client)
            try await producer.withRunning { producer in
                for number in 0..<6 {
                    try await producer.send(Message(topic: "states", keys: ["k\(number % 2)"], body: [UInt8(number)]))
                }
            }
            try await eventually("the topic is compacted", within: .seconds(30)) {
                cluster.brokerLogs.contains("queue compacted") && cluster.brokerLogs.contains("messages=2")
            }
            let folder = cluster.folder.path + "/store/compacted/states/0"
            let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).sorted().last)
            let dump = try await cluster.admin("dumpCompactionLog", "-f", "\(folder)/\(name)")
            let lines = dump.output.split(separator: "\n")
            #expect(dump.code == 0 && lines.count == 2, "\(dump)")
            #expect(lines.allSatisfy { $0.hasPrefix("MessageExt [brokerName=null, queueId=0, storeSize=") }, "\(dump)")
            #expect(lines.first?.contains("queueOffset=4,") == true && lines.last?.contains("KEYS=k1") == true)
            #expect(lines.first?.hasSuffix("}, body=null, transactionId='null'}]") == true, "\(dump)")
            let json = try JSON(
                parsing: try await cluster.admin("dumpCompactionLog", "-f", "\(folder)/\(name)", "--json").output)
            #expect(json["messages"].array?.map { $0["queueOffset"].int64 } == [4, 5])
            var bytes = Array(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")))
            bytes[7] ^= 1
            let damaged = cluster.folder.path + "/damaged"
            try Data(bytes).write(to: URL(fileURLWithPath: damaged))
            for (path, words) in [
                (damaged, "the bytes at 0 are no record"), (folder, "is a directory."), (damaged + "x", "not exist."),
            ] {
                let refused = try await cluster.admin("dumpCompactionLog", "-f", path)
                #expect(refused.code == 1 && refused.errors.contains(words), "\(refused)")
            }
        }
    }
}
