import Foundation
import MQBase
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// Goal: after a crash at any write and sync, what was acknowledged is there, at its offset and once; the rest of the log
/// is the beginning of what was sent; queues and index agree with it. The same for a crash of the recovery.
/// Method: a random workload on a simulated disk; then, at every boundary, the folder that a machine or a process would
/// leave, opened and compared. `MQ_SEED` repeats a course, `MQ_SEEDS` says how many there are.
@Suite(.timeLimit(.minutes(60))) struct SimulatedDiskTests {
    @Test(arguments: diskSeeds, [false, true])
    func `the store survives a crash at every write and sync`(seed: UInt64, isSynchronous: Bool) throws {
        let workload = try StoreWorkload(seed: seed, isSynchronous: isSynchronous)
        try workload.run(40)
        let crashes = try StoreCrashes(workload.history, seed: seed, isSynchronous: isSynchronous)
        try workload.disk.forEachBoundary { try crashes.crash(at: $0) }
        #expect(crashes.count > workload.disk.changeCount / 4)
    }
}

/// Seeds of the simulated disk: `MQ_SEED` alone if it is set, else `MQ_SEEDS` of them; a few are always the same.
let diskSeeds: [UInt64] = {
    let environment = ProcessInfo.processInfo.environment
    if let seed = environment["MQ_SEED"].flatMap(UInt64.init) { return [seed] }
    let count = environment["MQ_SEEDS"].flatMap { Int($0) } ?? 1
    return (1...max(1, count)).map { $0 <= 2 ? UInt64($0) : .random(in: .min ... .max) }
}()
