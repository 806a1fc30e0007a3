import MQBase
import MQTestKit
import Testing

@testable import MQStore

/// Goal: the courses in which a crash once cost messages or stopped the start, each as short as it can be.
/// Method: as `SimulatedDiskTests`, with many crashes at every boundary.
@Suite struct PowerCutTests {
    private func survives(
        crashes count: Int = 12, isIndexed: Bool = true, _ course: (StoreWorkload) throws -> Void
    ) throws {
        let workload = try StoreWorkload(seed: 1, isSynchronous: false, isIndexed: isIndexed)
        try course(workload)
        let crashes = try StoreCrashes(workload.history, seed: 1, isSynchronous: false, thoroughOneIn: 64)
        try workload.disk.forEachBoundary { boundary in
            for _ in 0..<count { try crashes.crash(at: boundary) }
        }
    }

    private func message(_ number: Int, byteCount: Int = 10, properties: Int = 0, queueID: Int = 0) -> TestMessage {
        var list = [("UNIQ_KEY", "U\(number)"), ("KEYS", "a")]
        if properties > 0 { list.append(("P", String(repeating: "p", count: properties))) }
        return TestMessage(
            queueID: queueID, body: [UInt8](repeating: UInt8(number), count: byteCount), properties: list)
    }

    @Test func `the folder of a new store has a name that lasts`() throws {
        try survives { course in
            try course.send([message(1)])
            try course.store.store.flusher.flush()
        }
    }

    @Test func `properties that were lost or torn are no message`() throws {
        try survives { course in
            try course.send([message(1, properties: 2000), message(2)])
            try course.send([message(3, properties: 700)])
        }
    }

    @Test func `a queue that is cut keeps its files' length`() throws {
        try survives { course in
            try course.send((1...4).map { message($0) })
            try course.store.store.dispatcher.catchUp { _ in }
            try course.restart(isKilled: true)
        }
    }

    @Test func `a file of the log has its length before the next one has a name`() throws {
        try survives { course in
            try course.send([message(1, byteCount: 3000)])
            course.store.store.log.prepareIfWanted()
            try course.send([message(2, byteCount: 3000), message(3, byteCount: 3000)])
            course.store.store.log.prepareIfWanted()
        }
    }

    @Test func `files that recovery removes leave no hole`() throws {
        try survives { course in
            for number in 1...4 { try course.send([message(number, byteCount: 4000), message(10 + number)]) }
        }
    }

    @Test func `an index of which nothing is left is built again, whole`() throws {
        try survives { course in
            for number in 1...6 {
                course.store.now += 5000
                try course.send([message(number, byteCount: 3000)])
                try course.store.settle()
                try course.store.store.keep(isClosing: false)
            }
        }
    }

    @Test func `a queue stays where its consumers are when its records go, also one in a folder that is new`() throws {
        try survives { course in
            try course.send([message(1, queueID: 1)])
            for number in 2...6 { try course.send([message(number, byteCount: 4000)]) }
            try course.store.settle()
            for _ in 0..<4 { course.retainRound() }
        }
    }

    @Test(arguments: ["T", "B"])
    func `a queue keeps the file that says where it goes on until the next one is on the disk`(topic: String) throws {
        func number(_ number: Int, byteCount: Int = 10) -> TestMessage {
            var message = message(number, byteCount: byteCount, queueID: 1)
            message.topic = topic
            return message
        }
        try survives(crashes: 3, isIndexed: false) { course in
            for first in [1, 6] { try course.send((first..<(first + 5)).map { number($0) }) }  // whole files
            for filler in 11...14 { try course.send([message(filler, byteCount: 4000)]) }
            try course.store.settle()
            try course.store.store.keep()
            try course.send([number(15)])
            try course.store.store.dispatcher.catchUp { _ in }
            for _ in 0..<3 { course.retainRound() }
        }
    }

    @Test func `a topic is deleted whole, or not, whatever of its queues was on the disk`() throws {
        try survives(crashes: 3, isIndexed: false) { course in
            for round in 0..<3 {
                try course.send(
                    (0..<8).map { number in
                        var message = message(round * 8 + number)
                        message.topic = "D"
                        return message
                    })
                try course.store.settle()
                if round != 1 { try course.store.store.keep() }
            }
            try course.deleteTopic()
            for number in 30...33 { try course.send([message(number, byteCount: 4000)]) }
            course.store.now += 10_000
            try course.store.settle()
            try course.store.store.keep()
        }
    }

    @Test func `a start that is interrupted twice, in ways that know more and less, loses no queue`() throws {
        try survives(crashes: 3) { course in
            for round in 1...4 {
                course.store.now += 5000
                try course.send([message(round, byteCount: 3000), message(10 + round), message(20 + round, queueID: 1)])
                try course.store.settle()
                let point = try course.store.store.keep()
                if round == 2, let point { _ = try course.store.store.writePoint(point) }
            }
            try course.restart(isKilled: true)
        }
    }
}
