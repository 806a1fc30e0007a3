import Foundation
import MQConfig
import MQTLS
import MQTestKit
import Testing

@testable import MQRemoting

/// What of TLS a server's file and the file that it names come to.
@Suite struct TLSSettingsTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func settings(
        _ own: [String: String], file: String? = nil, table: ConfigTable = .broker
    ) throws -> TLSSettings {
        var values = ConfigValues(table, on: ConfigMachine(home: "/", rocketmqHome: "/"))
        if let file {
            let path = folder.path + "/tls.properties"
            try file.write(toFile: path, atomically: true, encoding: .utf8)
            try values.set("tls.config.file", to: path)
        } else {
            try values.set("tls.config.file", to: "")
        }
        for (key, value) in own { try values.set(key, to: value) }
        return try TLSSettings(values)
    }

    @Test func `without a word everything is plain or TLS as clients like, and name servers are talked to plainly`()
        throws
    {
        let settings = try settings([:])
        #expect(settings.mode == .permissive && settings.server == TLSOptions() && settings.outgoing == nil)
        #expect(try settings.outgoingCipher() == nil)
    }

    @Test func `the file of its own counts, and holds the passwords`() throws {
        let settings = try settings(
            ["tls.server.keyPath": "/own/key", "tls.server.certPath": "/own/cert", "tls.enable": "true"],
            file: """
                tls.server.certPath=/file/cert
                tls.server.keyPassword=one
                tls.server.need.client.auth=require
                tls.client.keyPassword=two
                tls.client.certPath=/file/client
                tls.client.authServer=true
                tls.server.mode=disabled
                tls.enable=false
                something.else=1
                """)
        #expect(settings.server.certificatePath == "/file/cert" && settings.server.keyPath == "/own/key")
        #expect(settings.server.keyPassword == "one" && settings.clients == .require)
        #expect(settings.mode == .permissive, "Java takes the mode from elsewhere")
        let outgoing = try #require(settings.outgoing)
        #expect(outgoing.certificatePath == "/file/client" && outgoing.keyPassword == "two")
        #expect(outgoing.verification == .chainOnly)
    }

    @Test func `who lets nothing but TLS in speaks it too; a name server talks to nobody`() throws {
        #expect(try settings(["tls.server.mode": "enforcing"]).outgoing?.verification == TLSOptions.Verification.none)
        #expect(try settings(["tls.server.mode": "enforcing"], table: .nameServer).outgoing == nil)
    }

    @Test func `what is wrong is said with its place`() throws {
        #expect { try settings([:], file: "\ntls.client.authServer=perhaps\n") } throws: {
            "\($0)".contains("tls.properties:2: tls.client.authServer=perhaps is not allowed")
        }
        #expect { try settings([:], file: "a=\\u12") } throws: { "\($0)".contains("tls.properties:1") }
        #expect { try settings(["tls.config.file": "/nowhere/tls.properties"]) } throws: {
            "\($0)" == "tls.config.file: there is no file /nowhere/tls.properties"
        }
        #expect { try settings([:], file: "tls.test.mode.enable=false") } throws: {
            "\($0)".contains("tls.test.mode.enable=false needs tls.server.certPath")
        }
        // The default's file need not be there.
        _ = try TLSSettings(ConfigValues(.broker, on: ConfigMachine(home: "/", rocketmqHome: "/")))
    }

    @Test func `a password in a server's own file is not taken, and it is said where it belongs`() throws {
        for table in [ConfigTable.broker, .nameServer] {
            let (values, warnings) = try table.load(
                text: "tls.server.keyPassword=secret\n", fileName: "f", on: ConfigMachine(home: "/", rocketmqHome: "/"))
            #expect(warnings.contains { "\($0)".contains("it belongs into the file that tls.config.file names") })
            #expect(!values.listing().contains("secret"))
        }
    }
}
