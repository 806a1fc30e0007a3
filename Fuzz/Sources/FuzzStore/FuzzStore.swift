import MQBase
import MQBytes
import MQMessage
import MQObserve
import MQStore
import MQSystem

/// Damage to a store's folder: each input is a list of changes to a small sound store, which is then opened. It must not
/// die, hang or take much memory; a refusal must name what is wrong; and what is served must be what was stored. No
/// checksum covers the head of a record: one whose head was changed may turn up elsewhere, with its body whole.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzStore(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    let sample = Sample.all[Int(input.first ?? 0) % Sample.all.count]
    var damage = Damage(Array(input.dropFirst()), files: sample.files)
    while damage.step() {}
    let root = Sample.folder + "/work"
    sample.write(damage.files, to: root)
    check(root, sample)
    return 0
}

private func check(_ root: String, _ sample: Sample) {
    let store: MessageStore
    do throws(StoreOpenError) {
        store = try MessageStore(sample.config(root), batchTopics: ["B"], log: .silent)
    } catch {
        require(error.description.contains(root), "a refusal that names nothing: \(error)")
        return
    }
    for topic in store.topicsWithQueues {
        for queueID in 0..<4 {
            guard let queue = store.existingQueue(topic, queueID) else { continue }
            check(queue, in: store, sample)
        }
    }
    for offset in stride(from: store.minOffset.rawValue, to: store.writtenOffset.rawValue, by: 397) {
        _ = store.withRecord(at: offset) { record, bytes in
            require(record.hasIntactBody(bytes), "a torn body at \(offset)")
        }
    }
    for key in ["k1", "k20"] {
        let found = store.records(topic: "T", key: key, time: 0...(.max / 2), limit: 64)
        for offset in found.offsets {
            let body = store.withRecord(at: offset) { record, bytes in bytes.extracting(record.body).toArray() }
            if let body { require(sample.bodies.contains(body), "the index brings what was never stored") }
        }
    }
    goOn(store)
}

/// Everything a consumer would be given.
private func check(_ queue: ConsumeQueue, in store: MessageStore, _ sample: Sample) {
    var units = ByteBuffer()
    var result = ReadResult()
    var offset = queue.minOffset
    var rounds = 0
    while offset < queue.maxOffset {
        rounds += 1
        require(rounds < 100_000, "a queue without an end: \(queue.topic) \(offset) of \(queue.maxOffset)")
        do throws(SystemError) {
            try store.read(
                queue, from: offset, limits: ReadLimits(), access: .waiting, units: &units, into: &result,
                matches: { _ in true })
        } catch {
            return
        }
        require(result.nextOffset > offset, "a read that stands still at \(offset)")
        let bytes = store.copy(&result, of: queue)
        var position = 0
        while position < bytes.count {
            let rest = bytes.span.extracting(position..<bytes.count)
            guard let record = try? MessageRecord(rest) else { fail("no record is served") }
            check(record, rest, of: queue, offset..<result.nextOffset, sample)
            position += record.byteCount
        }
        offset = result.nextOffset
    }
}

private func check(
    _ record: MessageRecord, _ bytes: Span<UInt8>, of queue: ConsumeQueue, _ offsets: Range<Int64>, _ sample: Sample
) {
    let what = "\(record.physicalOffset) in \(queue.topic)/\(queue.queueID)"
    require(sample.bodies.contains(bytes.extracting(record.body).toArray()), "what is served was never stored: \(what)")
    guard sample.records[record.physicalOffset] == bytes.extracting(0..<record.byteCount).toArray() else { return }
    require(bytes.extracting(record.topic).toString() == queue.topic, "another topic's message: \(what)")
    require(Int(record.queueID) == queue.queueID, "another queue's message: \(what)")
}

/// As `precondition`, which says nothing in a release build.
private func require(_ condition: Bool, _ reason: @autoclosure () -> String) {
    if !condition { fail(reason()) }
}

private func fail(_ reason: String) -> Never {
    print(reason)  // to the fuzzer's log
    fatalError(reason)
}

/// The store must take messages and stop cleanly.
private func goOn(_ store: MessageStore) {
    let batch = AppendBatch()
    Sample.stage("T", 0, Array("after".utf8), key: "after", in: store, batch)
    let expected = store.queue("T", 0).maxOffset
    do throws(AppendError) {
        try store.append(batch, at: Timestamp(rawValue: 1_800_000_000_000))
    } catch {
        fail("an opened store takes nothing: \(error)")
    }
    require(batch.entries[0].queueOffset == expected, "a queue that does not go on at \(expected)")
    store.stop()
}
