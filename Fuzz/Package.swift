// swift-tools-version: 6.2
import PackageDescription

// Fuzz targets: a package of its own, because everything in it is built with libFuzzer's instrumentation
// (`scripts/fuzz`). The library products bring the modules below them along.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
    .unsafeFlags(["-parse-as-library"]),
]

let apus: Target.Dependency = .product(name: "RocketMQClient", package: "apus")
let store: Target.Dependency = .product(name: "MQStore", package: "apus")
let filter: Target.Dependency = .product(name: "MQFilter", package: "apus")

let package = Package(
    name: "apus-fuzz",
    dependencies: [.package(name: "apus", path: "..")],
    targets: [
        .executableTarget(name: "FuzzFrames", dependencies: [apus], swiftSettings: settings),
        .executableTarget(name: "FuzzBodies", dependencies: [apus], swiftSettings: settings),
        .executableTarget(name: "FuzzFilters", dependencies: [filter], swiftSettings: settings),
        .executableTarget(name: "FuzzStore", dependencies: [store], swiftSettings: settings),
    ]
)
