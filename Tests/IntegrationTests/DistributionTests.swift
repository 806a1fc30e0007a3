import Foundation
import MQTestKit
import Testing

/// Goal: the commands of RocketMQ's users behave as they are typed, with the default ports and folders. Method: the
/// scripts of distribution/ in a network and a process table of their own, so that the ports are free and mqshutdown
/// finds no other broker of this machine.
@Suite(.serialized, .whereBuilt, .timeLimit(.minutes(2))) struct DistributionTests {
    private let folder: TemporaryFolder
    /// What dist/apus is after scripts/dist, with the executables of this build.
    private var installation: URL { folder.url.appending(path: "apus") }

    init() throws {
        folder = try TemporaryFolder("apus-commands")
        let files = FileManager.default
        let distribution = Machine.repository.appending(path: "distribution")
        let library = installation.appending(path: "lib")
        try files.createDirectory(at: library, withIntermediateDirectories: true)
        for part in ["bin", "benchmark", "conf"] {
            try files.copyItem(at: distribution.appending(path: part), to: installation.appending(path: part))
        }
        for product in ["mqnamesrv", "mqbroker", "mqadmin", "mqexample", "mqstore", "apus"] {
            try files.copyItem(at: Machine.executable(product), to: library.appending(path: product))
        }
        // The sample's gigabyte files would only wear out the disk.
        let broker = try FileHandle(forWritingTo: installation.appending(path: "conf/broker.conf"))
        try broker.seekToEnd()
        try broker.write(contentsOf: Data("mappedFileSizeCommitLog=16777216\n".utf8))
        try broker.close()
    }

    /// Runs `script` in the installation's folder, in namespaces of its own, with an empty home folder.
    private func run(_ script: String) async throws -> Command {
        let text = Self.preparation + script
        var environment = Server.environment(in: folder.url)
        environment["ROCKETMQ_HOME"] = nil
        environment["ROCKETMQ_LOG_DIR"] = nil
        return try await Command.run(
            URL(filePath: "/usr/bin/env"), Self.isolation + ["sh", "-c", text], environment: environment,
            in: installation, within: .seconds(90))
    }

    fileprivate static let isolation = [
        "unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--mount-proc",
    ]

    /// Brings the loopback up, and gives the scripts `until_it` to wait with.
    private static let preparation = """
        python3 -c 'import fcntl, socket, struct
        fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH14x", b"lo", 65))' || exit 97
        until_it() {
            tries=0
            until "$@" >/dev/null 2>&1; do
                tries=$((tries + 1))
                [ $tries -lt 1000 ] || { echo "never: $*" >&2; exit 98; }
                sleep 0.02
            done
        }

        """

    @Test(.whereIsolated) func `the quickstart of RocketMQ's users, from nohup to mqshutdown`() async throws {
        let result = try await run(
            """
            nohup sh bin/mqnamesrv >namesrv.out 2>&1 &
            nohup sh bin/mqbroker -n localhost:9876 -c conf/broker.conf >broker.out 2>&1 &
            until_it grep -q 'boot success' ~/logs/rocketmqlogs/namesrv.log
            until_it grep -q 'boot success' ~/logs/rocketmqlogs/broker.log
            grep -h 'boot success' namesrv.out broker.out
            export NAMESRV_ADDR=localhost:9876
            sh bin/tools.sh org.apache.rocketmq.example.quickstart.Producer >producer.out; echo "producer $?"
            grep -c '^SendResult \\[sendStatus=SEND_OK, msgId=' producer.out
            sh bin/tools.sh org.apache.rocketmq.example.quickstart.Consumer 1000 >consumer.out; echo "consumer $?"
            grep -c '^ConsumeMessageThread_.* Receive New Messages: \\[MessageExt \\[' consumer.out
            sh bin/mqadmin clusterList -n localhost:9876 | grep -c 'DefaultCluster *broker-a *0 *127.0.0.1:10911'
            sh bin/mqshutdown broker; echo "broker $?"
            sh bin/mqshutdown namesrv; echo "namesrv $?"
            wait
            sh bin/mqshutdown broker; echo "broker again $?"
            sh bin/mqshutdown namesrv; echo "namesrv again $?"
            sh bin/mqshutdown; echo "neither $?"
            ls ~/store
            """)
        #expect(result.errors == "")
        let lines = result.output.split(separator: "\n").map { $0.replacing(/\(\d+\)/, with: "(PID)") }
        #expect(
            lines == [
                "The Name Server boot success. serializeType=JSON, address 0.0.0.0:9876",
                "The broker[broker-a, 127.0.0.1:10911] boot success. serializeType=JSON and name server is localhost:9876",
                "producer 0", "1000", "consumer 0", "1000", "1",
                "The mqbroker(PID) is running...", "Send shutdown request to mqbroker(PID) OK", "broker 0",
                "The mqnamesrv(PID) is running...", "Send shutdown request to mqnamesrv(PID) OK", "namesrv 0",
                "No mqbroker running.", "broker again 1", "No mqnamesrv running.", "namesrv again 1",
                "Usage: mqshutdown broker | namesrv | controller | proxy", "neither 1",
                "checkpoint", "commitlog", "config", "consumequeue", "index", "lock", "recovery",
            ])
    }

    @Test(.whereIsolated) func `NAMESRV_ADDR, ROCKETMQ_HOME and symbolic links lead where they should`() async throws {
        let result = try await run(
            """
            ln -s "$PWD/bin/mqnamesrv" ../linked
            (cd / && sh "$OLDPWD/../linked" -p | grep listenPort)
            ROCKETMQ_HOME=/nowhere sh bin/mqbroker -p; echo "status $?"
            NAMESRV_ADDR=one:9876 sh bin/mqbroker -p | grep -E '^(namesrvAddr|rocketmqHome)='
            NAMESRV_ADDR=one:9876 sh bin/mqbroker -n 'two:9876;three:9876' -m | grep '^namesrvAddr='
            """)
        #expect(
            result.errors
                == "ROCKETMQ_HOME=/nowhere has no executable lib/mqbroker: unset it, or set it to the folder of "
                + "this installation.\n")
        #expect(
            result.output.split(separator: "\n") == [
                "listenPort=9876", "status 1", "namesrvAddr=one:9876", "rocketmqHome=\(installation.path)",
                "namesrvAddr=two:9876;three:9876",
            ])
    }

    @Test(.whereIsolated) func `the quickstart of RocketMQ 5 starts the broker and says that it has no proxy`()
        async throws
    {
        let result = try await run(
            """
            sh bin/mqnamesrv >namesrv.out 2>&1 &
            until_it grep -q 'boot success' namesrv.out
            sh bin/mqbroker -n=localhost:9876 --enable-proxy >broker.out 2>broker.err &
            until_it grep -q 'boot success' broker.out
            cat broker.err
            sh bin/mqadmin updatetopic -nlocalhost:9876 -tTestTopic -c DefaultCluster | grep -c '^create topic to '
            sh bin/mqshutdown broker
            sh bin/mqshutdown namesrv
            wait
            sh bin/mqnamesrv --enable-proxy 2>&1 | head -n 1
            """)
        #expect(
            result.output.contains(
                "mqbroker: --enable-proxy has no effect: this release has no proxy; remoting clients"), "\(result)")
        #expect(result.output.contains("\n1\nThe mqbroker("), "\(result)")
        #expect(result.output.hasSuffix("mqnamesrv: unknown option --enable-proxy\n"), "\(result)")
    }

    @Test(.whereIsolated) func `RocketMQ's load scripts run beside the shell until they are told to end`() async throws
    {
        let result = try await run(
            """
            sh bin/mqnamesrv >namesrv.out 2>&1 &
            sh bin/mqbroker -n localhost:9876 -c conf/broker.conf >broker.out 2>&1 &
            until_it grep -q 'boot success' broker.out
            export NAMESRV_ADDR=localhost:9876
            until_it sh bin/mqadmin topicRoute -t BenchmarkTest
            sh benchmark/shutdown.sh producer; echo "nothing $?"
            sh benchmark/producer.sh -t BenchmarkTest -w 2 -ri 200 >producer.out 2>&1
            (cd benchmark && sh consumer.sh -t BenchmarkTest -g bench) >consumer.out 2>&1
            until_it grep -q 'Send TPS: [1-9]' producer.out
            sh benchmark/shutdown.sh producer; echo "producer $?"
            sh benchmark/shutdown.sh consumer; echo "consumer $?"
            sh benchmark/shutdown.sh; echo "neither $?"
            sh bin/mqshutdown broker >/dev/null; sh bin/mqshutdown namesrv >/dev/null
            wait
            """)
        let lines = result.output.split(separator: "\n").map { $0.replacing(/\(\d+\)/, with: "(PID)") }
        #expect(
            lines == [
                "No benchmark producer running.", "nothing 1", "The benchmark producer(PID) is running...",
                "Send shutdown request to benchmark producer(PID) OK", "producer 0",
                "The benchmark consumer(PID) is running...", "Send shutdown request to benchmark consumer(PID) OK",
                "consumer 0", "Usage: shutdown.sh producer | consumer | tproducer | bproducer", "neither 1",
            ], "\(result)")
    }

    @Test(.whereIsolated) func `apus dev has everything in one process and leaves nothing behind`() async throws {
        let result = try await run(
            """
            sh bin/apus dev >dev.out 2>&1 &
            until_it grep -q 'name server' dev.out
            folder=$(sed -n 's/.* in //p' dev.out)
            ls "$folder"
            sh bin/mqadmin clusterList -n localhost:9876 | grep -c 'DefaultCluster *broker-a *0 *127.0.0.1:10911'
            kill $!
            wait $!; echo "dev $?"
            ls "$folder" 2>&1 | grep -c 'No such file'
            sh bin/apus dev --dir kept >again.out 2>&1 &
            until_it grep -q 'name server' again.out
            kill $!
            wait $!; echo "dev $?"
            ls kept/store
            sh bin/mqstore verify kept/store >verify.out; echo "verify $?"
            tail -1 verify.out
            """)
        #expect(result.errors == "")
        #expect(
            result.output.split(separator: "\n").map(String.init) == [
                "store", "1", "dev 0", "1", "dev 0", "checkpoint", "commitlog", "config", "lock", "verify 0",
                "sound",
            ])
    }
}

extension Trait where Self == ConditionTrait {
    /// Only where a process may have a network and a process table of its own: not in every container.
    fileprivate static var whereIsolated: Self {
        .enabled("needs user, network and process namespaces") {
            let result = try? await Command.run(
                URL(filePath: "/usr/bin/env"), DistributionTests.isolation + ["true"],
                environment: ProcessInfo.processInfo.environment, in: FileManager.default.temporaryDirectory)
            return result?.status == 0
        }
    }
}
