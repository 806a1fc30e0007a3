import Foundation
import MQBase
import MQBytes
import MQMessage
import MQObserve
import MQStore
import MQSystem

/// Damage to a store's folder: each input is a list of changes to a small sound store, which is then opened. It must not
/// die, hang or take much memory; a refusal must name what is wrong; and what is served at a queue's offset must be the
/// message that was stored there.
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
        store = try MessageStore(Sample.config(root), log: .silent)
    } catch {
        precondition(error.description.contains(root), "a refusal that names nothing: \(error)")
        return
    }
    for topic in store.topicsWithQueues {
        for queueID in 0..<4 {
            guard let queue = store.existingQueue(topic, queueID) else { continue }
            check(queue, in: store, sample)
        }
    }
    for offset in stride(from: store.minOffset.rawValue, to: store.writtenOffset.rawValue, by: 97) {
        _ = store.withRecord(at: offset) { record, bytes in precondition(record.hasIntactBody(bytes)) }
    }
    for key in ["k1", "k50"] {
        let found = store.indexedOffsets(topic: "T", key: key, time: 0...(.max / 2), limit: 64)
        for offset in found.offsets { _ = store.withRecord(at: offset) { _, _ in } }
    }
    goOn(store)
}

/// Everything a consumer would be given.
private func check(_ queue: ConsumeQueue, in store: MessageStore, _ sample: Sample) {
    var units = ByteBuffer()
    var offset = queue.minOffset
    var rounds = 0
    while offset < queue.maxOffset {
        rounds += 1
        precondition(rounds < 100_000, "a queue without an end: \(queue.topic) \(offset) of \(queue.maxOffset)")
        guard
            let result = try? store.read(
                queue, from: offset, limits: ReadLimits(), units: &units, matches: { _ in true })
        else { return }
        precondition(result.nextOffset > offset, "a read that stands still at \(offset)")
        var seen = 0
        for range in result.ranges {
            var position = range.offset
            while position < range.offset + range.byteCount {
                let bytes = range.mapping.bytes(position..<(range.offset + range.byteCount))
                guard let record = try? MessageRecord(bytes) else { preconditionFailure("no record is served") }
                let place = Sample.Place(topic: queue.topic, queueID: queue.queueID, offset: record.queueOffset)
                precondition((offset..<result.nextOffset).contains(record.queueOffset), "another offset's message")
                let body = bytes.extracting(record.body).toArray()
                precondition(sample.bodies[place] == body, "\(place) is not what was stored there")
                position += record.byteCount
                seen += 1
            }
        }
        precondition(seen == result.messageCount)
        offset = result.nextOffset
    }
}

/// The store must take messages and stop cleanly.
private func goOn(_ store: MessageStore) {
    let batch = AppendBatch()
    Sample.stage("T", 0, Array("after".utf8), key: "after", in: store, batch)
    let expected = store.queue("T", 0).maxOffset
    do throws(AppendError) {
        try store.append(batch, at: Timestamp(rawValue: 1_800_000_000_000))
    } catch {
        preconditionFailure("an opened store takes nothing: \(error)")
    }
    precondition(batch.entries[0].queueOffset == expected)
    store.stop()
}
