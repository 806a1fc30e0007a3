import Foundation
import MQTestKit
import Testing

extension Machine {
    /// The Python environment that scripts/setup made, with Apache's C++ client.
    static let python = repository.appending(path: ".build/venv-remoting/bin/python")
    static let clientScript = repository.appending(path: "Tests/InteropTests/python/client.py")

    /// Whether everything is there. In continuous integration on x86_64 it has to be: there the tests run and fail
    /// instead of being skipped.
    static var isReadyForClients: Bool {
        let isRequired = ProcessInfo.processInfo.environment["CI"] != nil && isSupported
        let hasClient = FileManager.default.isExecutableFile(atPath: python.path)
        return isRequired || (hasClient && has("mqnamesrv", "mqbroker"))
    }

    /// Apache publishes the C++ client for x86_64 only.
    private static var isSupported: Bool {
        #if arch(x86_64)
            true
        #else
            false
        #endif
    }
}

extension Trait where Self == ConditionTrait {
    /// Only where the executables and the C++ client are there.
    static var whereReady: Self {
        .enabled("needs the built executables and scripts/setup's Python environment") { Machine.isReadyForClients }
    }
}
