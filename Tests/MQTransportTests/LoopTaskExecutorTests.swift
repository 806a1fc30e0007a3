import MQSystem
import MQTestKit
import Testing

@testable import MQTransport

@Suite struct LoopTaskExecutorTests {
    @Test func `tasks run on the loop while it runs, and on the pool before and after`() async throws {
        let loop = try EventLoop("tasks")
        let executor = LoopTaskExecutor(on: loop)
        let isOnLoop: @Sendable () async -> Bool = { loop.isOnLoop }
        let before = await Task(executorPreference: executor, operation: isOnLoop).value
        loop.start()
        executor.begin()
        let during = await Task(executorPreference: executor, operation: isOnLoop).value
        let children = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<100 {
                group.addTask(executorPreference: executor) {
                    for _ in 0..<20 { await Task.yield() }
                    return loop.isOnLoop
                }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        await Task.detached { loop.stop() }.value
        executor.end()
        let after = await Task(executorPreference: executor, operation: isOnLoop).value
        #expect(!before && during && !after)
        #expect(children == 100)
    }

    @Test func `a task that waits when the loop stops ends on the pool`() async throws {
        let loop = try EventLoop("tasks")
        let executor = LoopTaskExecutor(on: loop)
        loop.start()
        executor.begin()
        let waiting = Lock<CheckedContinuation<Void, Never>?>(nil)
        let task = Task(executorPreference: executor) {
            await withCheckedContinuation { continuation in waiting.withLock { $0 = continuation } }
            return loop.isOnLoop
        }
        while waiting.withLock({ $0 == nil }) { await Task.yield() }
        await Task.detached { loop.stop() }.value
        waiting.withLock { $0 }?.resume()  // goes to a loop that has stopped
        executor.end()
        #expect(await task.value == false)
    }

    @Test func `what a job asks for runs in the same wake-up, and sockets have their turn all the same`() throws {
        let loop = try EventLoop("rounds")
        let notes = Notes()
        let wakeUps = Lock(0)
        loop.onEndOfWakeUp { wakeUps.withLock { $0 += 1 } }
        @Sendable func again(_ left: Int) {
            if left == 0 { return notes.add("\(wakeUps.withLock { $0 })") }
            loop.execute { again(left - 1) }
        }
        loop.execute { again(5) }
        loop.start()
        let first = try #require(notes.wait(for: 1).first.flatMap { Int($0) })
        #expect(first == 0)
        loop.execute { again(100) }
        let second = try #require(notes.wait(for: 2).last.flatMap { Int($0) })
        #expect((8...20).contains(second), "\(second) wake-ups for a hundred jobs that ask for the next")
        loop.stop()
    }
}
