import MQSystem
import RocketMQClient

/// RocketMQ's example programs by their Java names, as `tools.sh` calls them.
enum Example: String, CaseIterable {
    case producer = "org.apache.rocketmq.example.quickstart.Producer"
    case consumer = "org.apache.rocketmq.example.quickstart.Consumer"
    case transactionProducer = "org.apache.rocketmq.example.transaction.TransactionProducer"

    /// Accepts the short form `quickstart.Producer` too.
    init?(name: String) {
        guard let match = Self.allCases.first(where: { $0.rawValue == name || $0.rawValue.hasSuffix("." + name) }),
            name.contains("Producer") || name.contains("Consumer")
        else { return nil }
        self = match
    }
}

/// Runs the example that the first argument names and ends the process: 0, or 1 with one sentence on standard error.
func runExample() -> Never {
    ThisProcess.prepareSignals()
    let arguments = Array(CommandLine.arguments.dropFirst())
    guard let name = arguments.first else {
        ThisProcess.complain(
            "mqexample: no example named; use one of: " + Example.allCases.map(\.rawValue).joined(separator: ", "))
        ThisProcess.exit(1)
    }
    guard let example = Example(name: name) else {
        ThisProcess.complain(
            "mqexample: there is no example \(name); use one of: "
                + Example.allCases.map(\.rawValue).joined(separator: ", "))
        ThisProcess.exit(1)
    }
    let failure: ClientError? = wait {
        do throws(ClientError) {
            switch example {
            case .producer: try await quickstartProducer(arguments.dropFirst().first)
            case .consumer: try await quickstartConsumer(arguments.dropFirst().first)
            case .transactionProducer: try await transactionProducer(arguments.dropFirst().first)
            }
            return nil
        } catch {
            return error
        }
    }
    if let failure { ThisProcess.complain("mqexample: \(failure)") }
    ThisProcess.exit(failure == nil ? 0 : 1)
}

/// Blocks the main thread, which is no pool thread, until `work` is done.
private func wait(_ work: @escaping @Sendable () async -> ClientError?) -> ClientError? {
    let done = Monitor<ClientError??>(nil)
    Task.detached {
        let result = await work()
        done.signal {
            $0 = .some(result)
            return true
        }
    }
    return done.wait { $0 } ?? nil
}
