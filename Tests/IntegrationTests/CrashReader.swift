import Foundation
import MQMessage
import MQProtocol
import MQTestKit
import Testing

/// A consumer group beside a `CrashLoad`: it reads every queue while the broker runs, says how far it has come, gives
/// messages back and sends delayed ones, until the connection breaks; and knows what was answered.
actor CrashReader {
    static let group = "crash-readers"
    private static let delayedTopic = "CrashDelayed"

    private let load: CrashLoad
    private var next = [Int64](repeating: 0, count: CrashLoad.queueCount)
    private var seen: [CrashLoad.Place: Int] = [:]
    private var givenBack: Set<Int> = []
    private var delayed: Set<Int> = []
    private var delayedCount = 0

    init(_ load: CrashLoad) { self.load = load }

    /// Reads until the broker is gone.
    func run() async {
        do {
            while true {
                for queue in 0..<CrashLoad.queueCount { try await read(queue) }
                try await sendDelayed()
            }
        } catch {}  // the broker is gone: that is the end of it
    }

    private func read(_ queue: Int) async throws {
        let answer = try await load.pull(queue, next[queue], group: Self.group)
        guard answer.responseCode == .success else { return }
        let records = try CrashLoad.records(answer.body, from: next[queue])
        for (index, record) in records.enumerated() {
            let place = CrashLoad.Place(queue: queue, offset: next[queue] + Int64(index))
            guard let number = record.number else { throw TestFailure("\(place) holds what was never sent") }
            seen[place] = number
        }
        next[queue] += Int64(records.count)
        try await load.ask(
            RemotingCommand(
                .updateConsumerOffset,
                [
                    "consumerGroup": Self.group, "topic": CrashLoad.topic, "queueId": String(queue),
                    "commitOffset": String(next[queue]),
                ]))
        if let last = records.last, let number = last.number { try await giveBack(number, last.physicalOffset) }
    }

    private func giveBack(_ number: Int, _ physicalOffset: Int64) async throws {
        let answer = try await load.ask(
            RemotingCommand(
                .consumerSendMessageBack,
                [
                    "offset": String(physicalOffset), "group": Self.group, "delayLevel": "1",
                    "originTopic": CrashLoad.topic, "unitMode": "false", "maxReconsumeTimes": "16",
                ]))
        if answer.responseCode == .success { givenBack.insert(number) }
    }

    private func sendDelayed() async throws {
        let number = delayedCount
        delayedCount += 1
        let answer = try await load.ask(
            CrashLoad.send(number, to: Self.delayedTopic, properties: "DELAY\u{1}1\u{2}"))
        if answer.responseCode == .success { delayed.insert(number) }
    }

    // MARK: - What must be there

    /// What was read is still where it was, and no offset lies behind its queue's end.
    /// - Parameter queues: the numbers that each queue holds now, from its beginning.
    func check(_ queues: [[Int]], _ place: String) async throws {
        for (seenAt, number) in seen
        where Int64(queues[seenAt.queue].count) <= seenAt.offset
            || queues[seenAt.queue][Int(seenAt.offset)] != number
        {
            Issue.record("\(place): message \(number) was read at \(seenAt) and is not there any more")
        }
        for (queue, numbers) in queues.enumerated() {
            let answer = try await load.ask(
                RemotingCommand(
                    .queryConsumerOffset,
                    ["consumerGroup": Self.group, "topic": CrashLoad.topic, "queueId": String(queue)]))
            let offset = answer.int64("offset") ?? 0
            #expect(offset <= Int64(numbers.count), "\(place): the group is at \(offset) of queue \(queue)")
        }
    }

    /// Every delayed message and every one that was given back arrives, once the broker stays.
    func checkArrivals(_ place: String) async throws {
        try await arrive(delayed, in: Self.delayedTopic, queueCount: CrashLoad.queueCount, place)
        try await arrive(givenBack, in: "%RETRY%" + Self.group, queueCount: 1, place)
        #expect(!delayed.isEmpty && !givenBack.isEmpty, "\(place): nothing was delayed or given back")
    }

    private func arrive(_ wanted: Set<Int>, in topic: String, queueCount: Int, _ place: String) async throws {
        var arrived: Set<Int> = []
        var ends = [Int64](repeating: 0, count: queueCount)
        let deadline = ContinuousClock.now + .seconds(30)
        while !wanted.isSubset(of: arrived) {
            guard ContinuousClock.now < deadline else {
                throw TestFailure("\(place): \(topic) lacks \(wanted.subtracting(arrived).sorted().prefix(10))")
            }
            try await Task.sleep(for: .milliseconds(10))
            for queue in 0..<queueCount {
                let records = try await load.pullAll(queue, from: ends[queue], topic: topic)
                for record in records { arrived.insert(try #require(record.number, "\(topic): not what was sent")) }
                ends[queue] += Int64(records.count)
            }
        }
    }
}
