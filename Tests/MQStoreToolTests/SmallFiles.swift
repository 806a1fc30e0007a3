@testable import MQStoreTool

/// `mqstore` on a store with files as small as those suites make them that build their own.
enum SmallFiles {
    private static let options = [
        "--log-file-size", "65536", "--queue-file-size", "2000", "--index-slots", "100", "--index-entries", "400",
    ]

    /// Runs a command on the store in `root`; what it prints to either side.
    static func run(_ command: String, _ root: String, _ more: [String] = []) -> (code: Int32, output: String) {
        var output = ""
        let code = StoreCommand.run(
            [command, root] + more + options, output: { output += $0 }, complain: { output += $0 + "\n" })
        return (code, output)
    }
}
