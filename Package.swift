// swift-tools-version: 6.2
import PackageDescription

/// Settings of every Swift target: the newest language mode, explicit existentials and imports, no warning left
/// standing. Sources also mark every unsafe expression (`strictSettings`); tests do not.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
    .treatAllWarnings(as: .error),
]
let strictSettings: [SwiftSetting] = settings + [.strictMemorySafety()]

/// One module of docs/ARCHITECTURE.md's table. `layer` is what TidyTests hold the imports to: a module may use
/// modules of its own layer or below, and only those it names here.
func module(_ name: String, layer: Int, uses: [String] = []) -> Target {
    precondition((0...4).contains(layer), "\(name): layer \(layer)")
    return .target(
        name: name, dependencies: uses.map { .init(stringLiteral: $0) }, exclude: ["README.md"],
        swiftSettings: strictSettings)
}

/// An executable of about twenty lines over one library module.
func main(_ name: String, uses: [String]) -> Target {
    .executableTarget(
        name: name, dependencies: uses.map { .init(stringLiteral: $0) }, path: "Sources/Mains/\(name)",
        swiftSettings: strictSettings)
}

/// A program of Examples/: written as users would, built and run by the tests.
func example(_ name: String) -> Target {
    .executableTarget(
        name: "\(name)Example", dependencies: ["RocketMQClient"], path: "Examples/\(name)",
        swiftSettings: [.swiftLanguageMode(.v6)])
}

/// The tests of one module, in Tests/<name>.
func tests(_ name: String, uses: [String], exclude: [String] = []) -> Target {
    .testTarget(
        name: name, dependencies: uses.map { .init(stringLiteral: $0) }, path: "Tests/\(name)",
        exclude: exclude, swiftSettings: settings)
}

/// What the tests of several modules share, in Tests/<name>.
func testSupport(_ name: String, uses: [String]) -> Target {
    .target(
        name: name, dependencies: uses.map { .init(stringLiteral: $0) }, path: "Tests/\(name)", swiftSettings: settings)
}

let package = Package(
    name: "apus",
    products: [
        .library(name: "RocketMQClient", targets: ["RocketMQClient"]),
        .library(name: "MQStore", targets: ["MQStore"]),  // for Fuzz
        .library(name: "MQFilter", targets: ["MQFilter"]),  // for Fuzz
        .executable(name: "mqnamesrv", targets: ["NameServerMain"]),
        .executable(name: "mqbroker", targets: ["BrokerMain"]),
        .executable(name: "mqadmin", targets: ["AdminMain"]),
        .executable(name: "mqexample", targets: ["ExampleMain"]),
        .executable(name: "mqstore", targets: ["StoreMain"]),
        .executable(name: "apus", targets: ["ApusMain"]),
    ],
    targets: [
        // Layer 0: C, numbers, bytes, observation.
        .target(name: "CMQLinux", exclude: ["README.md"]),
        .target(name: "CMQBytes"),
        .systemLibrary(name: "CISAL", pkgConfig: "libisal", providers: [.apt(["libisal-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        module("MQBase", layer: 0),
        module("MQBytes", layer: 0, uses: ["MQBase", "CMQBytes", "CISAL"]),
        module("MQObserve", layer: 0, uses: ["MQBase"]),
        // Layer 1: the system.
        module("MQSystem", layer: 1, uses: ["MQBase", "MQBytes", "CMQLinux"]),
        module("MQTransport", layer: 1, uses: ["MQSystem", "MQObserve", "CMQLinux"]),
        module("MQCompression", layer: 1, uses: ["MQBytes", "CZlib", "CLZ4", "CZstd"]),
        module("MQCrypto", layer: 1, uses: ["MQBytes", "CCrypto"]),
        module("MQTLS", layer: 1, uses: ["MQTransport", "CSSL"]),
        // Layer 2: formats, pure.
        module("MQJSON", layer: 2, uses: ["MQBytes"]),
        module("MQMessage", layer: 2, uses: ["MQBytes", "MQCompression"]),
        module("MQProtocol", layer: 2, uses: ["MQJSON", "MQMessage"]),
        module("MQFilter", layer: 2, uses: ["MQMessage"]),
        module("MQConfig", layer: 2, uses: ["MQBase"]),
        // Layer 3: engines.
        module("MQRemoting", layer: 3, uses: ["MQProtocol", "MQTransport", "MQTLS", "MQConfig"]),
        module("MQStore", layer: 3, uses: ["MQMessage", "MQSystem", "MQObserve", "MQJSON"]),
        // Layer 4: services.
        module("MQNameServer", layer: 4, uses: ["MQRemoting", "MQConfig", "MQTLS"]),
        module("MQBroker", layer: 4, uses: ["MQStore", "MQRemoting", "MQFilter", "MQConfig", "MQTLS"]),
        module("RocketMQClient", layer: 4, uses: ["MQRemoting", "MQMessage", "MQCrypto", "MQTLS"]),
        module("MQAdmin", layer: 4, uses: ["RocketMQClient"]),
        module("MQStoreTool", layer: 4, uses: ["MQStore", "MQConfig"]),
        // Layer 5: executables.
        main("NameServerMain", uses: ["MQNameServer"]),
        main("BrokerMain", uses: ["MQBroker"]),
        main("AdminMain", uses: ["MQAdmin"]),
        main("ExampleMain", uses: ["RocketMQClient"]),
        main("StoreMain", uses: ["MQStoreTool"]),
        main("ApusMain", uses: ["MQNameServer", "MQBroker", "MQStoreTool"]),
        // What users of the client may begin with.
        example("Quickstart"),
        example("Ordered"),
        example("Delayed"),
        example("Broadcasting"),
        example("Transactions"),
        // Tests.
        testSupport("MQTestKit", uses: ["MQProtocol", "MQSystem"]),
        tests("MQBaseTests", uses: ["MQBase"]),
        tests("MQBytesTests", uses: ["MQBytes"]),
        tests("MQObserveTests", uses: ["MQObserve"]),
        tests("MQSystemTests", uses: ["MQSystem", "MQTestKit"]),
        tests("MQTransportTests", uses: ["MQTransport", "MQTestKit"]),
        tests("MQTLSTests", uses: ["MQTLS", "MQTestKit"]),
        tests("MQCompressionTests", uses: ["MQCompression", "MQCrypto"]),
        tests("MQJSONTests", uses: ["MQJSON", "MQTestKit"]),
        tests("MQMessageTests", uses: ["MQMessage"]),
        tests("MQProtocolTests", uses: ["MQProtocol", "MQTestKit"]),
        tests("MQFilterTests", uses: ["MQFilter"]),
        tests("MQRemotingTests", uses: ["MQRemoting", "MQConfig", "MQTLS", "MQTestKit"]),
        tests("MQStoreTests", uses: ["MQStore", "MQTestKit"], exclude: ["python"]),
        tests("MQConfigTests", uses: ["MQConfig", "MQTestKit"]),
        tests("MQNameServerTests", uses: ["MQNameServer", "MQTestKit"]),
        tests("MQBrokerTests", uses: ["MQBroker", "MQNameServer", "MQTestKit"]),
        tests("RocketMQClientTests", uses: ["RocketMQClient", "MQTestKit", "MQCrypto", "MQTLS"]),
        tests("MQAdminTests", uses: ["MQAdmin", "MQTestKit"]),
        tests("MQStoreToolTests", uses: ["MQStoreTool", "MQTestKit"]),
        tests("IntegrationTests", uses: ["MQAdmin", "MQTestKit", "MQTLS"]),
        tests("InteropTests", uses: ["MQTestKit"], exclude: ["python"]),
        tests("TidyTests", uses: []),
    ]
)
