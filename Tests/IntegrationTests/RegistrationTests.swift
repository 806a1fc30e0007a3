import MQAdmin
import MQProtocol
import MQTestKit
import RocketMQClient
import Testing

/// Goal: brokers keep every name server informed, by themselves. Method: real processes.
@Suite(.whereBuilt, .timeLimit(.minutes(3))) struct RegistrationTests {
    @Test func `a broker registers with both name servers, and leaves both at its stop`() async throws {
        try await Running.run { running in
            let nameServers = [try await running.nameServer("first"), try await running.nameServer("second")]
            let broker = try await running.broker(nameServers)
            for nameServer in nameServers {
                try await withAdmin([nameServer]) { admin in
                    #expect(try await admin.brokerNames() == ["broker-a"])
                    let addresses = try await admin.clusterInfo().brokerAddrTable["broker-a"]?.brokerAddrs
                    #expect(addresses == [0: broker.address])
                }
            }
            try await broker.stop()
            for nameServer in nameServers {
                let names = try await withAdmin([nameServer]) { try await $0.brokerNames() }
                #expect(names == [])
            }
        }
    }

    @Test func `with one of two name servers gone, clients and brokers use the other`() async throws {
        try await Running.run { running in
            let nameServers = [try await running.nameServer("first"), try await running.nameServer("second")]
            _ = try await running.broker(nameServers)
            try await nameServers[0].stop()
            try await withAdmin(nameServers) { admin in
                let sent = try await admin.sendOK(["to a new topic"], to: "OtherTopic")
                try await eventually("the other one knows the topic", within: .seconds(5)) {
                    try await admin.topics().contains("OtherTopic")
                }
                #expect(try await admin.bodies(at: sent) == ["to a new topic"])
            }
        }
    }

    @Test func `a name server that comes back learns everything again`() async throws {
        try await Running.run { running in
            let nameServer = try await running.nameServer()
            let broker = try await running.broker([nameServer])
            try await withAdmin([nameServer]) { _ = try await $0.sendOK(["before"], to: "KnownTopic") }
            try await nameServer.kill()
            try await nameServer.start()
            try await withAdmin([nameServer]) { admin in
                // The broker tries again five seconds after it lost the connection, well before its next 30 s are over.
                try await eventually("the broker registers again", within: .seconds(20)) {
                    try await admin.brokerNames() == ["broker-a"]
                }
                #expect(try await admin.topics().contains("KnownTopic"))
                _ = try await admin.sendOK(["after"], to: "KnownTopic")
            }
            #expect(broker.isRunning)
        }
    }

    @Test func `a killed broker is forgotten at once`() async throws {
        try await Running.run { running in
            let nameServer = try await running.nameServer()
            let broker = try await running.broker([nameServer])
            try await broker.kill()
            try await withAdmin([nameServer]) { admin in
                try await eventually("the name server forgets it", within: .seconds(10)) {
                    try await admin.brokerNames() == []
                }
            }
        }
    }
}
