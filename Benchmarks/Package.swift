// swift-tools-version: 6.2
import PackageDescription

/// Load generator and floor server: a package of their own, so that what they measure shares no code with them.
/// They work on raw pointers throughout (that is what makes them the floor), so strict memory safety is off here.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
    // As the broker's release build: exclusivity checks double the cost of a frame loop.
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

let package = Package(
    name: "apus-benchmarks",
    products: [
        .executable(name: "floor", targets: ["FloorMain"]),
        .executable(name: "mqbench", targets: ["BenchMain"]),
    ],
    targets: [
        .target(name: "CBenchLinux"),
        .target(name: "BenchWire", dependencies: ["CBenchLinux"], swiftSettings: settings),
        .target(name: "FloorServer", dependencies: ["BenchWire"], swiftSettings: settings),
        .target(name: "LoadGenerator", dependencies: ["BenchWire"], swiftSettings: settings),
        .executableTarget(
            name: "FloorMain", dependencies: ["FloorServer"], path: "Sources/Mains/FloorMain", swiftSettings: settings),
        .executableTarget(
            name: "BenchMain", dependencies: ["LoadGenerator"], path: "Sources/Mains/BenchMain",
            swiftSettings: settings),
        .testTarget(
            name: "LoadGeneratorTests", dependencies: ["LoadGenerator", "BenchWire"], swiftSettings: settings),
    ]
)
