import MQBase
import MQBytes
import MQMessage
import Testing

/// Goal: a batch is taken as a whole or not at all, whatever its lengths say.
/// Method: batches from seeds, then each with one length changed or cut anywhere.
@Suite struct BatchTests {
    @Test func `a batch lies as RocketMQ lays it out`() {
        var buffer = ByteBuffer()
        MessageBatch.append(flag: 9, body: bytes(1, 2, 3).span, properties: bytes(65, 1, 66).span, to: &buffer)
        var expected: [UInt8] = [0, 0, 0, 28] + [UInt8](repeating: 0, count: 8)
        expected += [0, 0, 0, 9, 0, 0, 0, 3, 1, 2, 3, 0, 3, 65, 1, 66]
        #expect(buffer.toArray() == expected)
    }

    @Test(arguments: seeds)
    func `a batch reads back as it was written`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<100 {
            let (messages, bytes) = randomBatch(&random)
            let items = try MessageBatch.items(bytes.span)
            #expect(items.map(\.flag) == messages.map(\.flag))
            #expect(items.map { slice(bytes, $0.body) } == messages.map(\.body))
            #expect(items.map { slice(bytes, $0.properties) } == messages.map(\.properties))
        }
    }

    @Test(arguments: seeds)
    func `a batch with a lying length is refused`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<200 {
            let (messages, bytes) = randomBatch(&random)
            let cut = Int.random(in: 1..<bytes.count, using: &random)
            let starts = Set(try MessageBatch.items(bytes.span).map { $0.body.lowerBound - 20 })
            if !starts.contains(cut) {
                let part = slice(bytes, 0..<cut)
                #expect(throws: WireError.self) { _ = try MessageBatch.items(part.span) }
            }
            var lying = bytes
            let last = bytes.count - 22 - (messages.last?.body.count ?? 0) - (messages.last?.properties.count ?? 0)
            let delta = [1, 255].randomElement(using: &random) ?? 1
            lying[last + 3] = lying[last + 3] &+ UInt8(delta)
            #expect(throws: WireError.self) { _ = try MessageBatch.items(lying.span) }
        }
    }

    @Test func `negative and huge lengths are refused`() {
        var buffer = ByteBuffer()
        MessageBatch.append(flag: 0, body: bytes(1, 2, 3).span, properties: bytes(65).span, to: &buffer)
        let good = buffer.toArray()
        for at in [0, 16, 23] {
            for byte: UInt8 in [0x7F, 0x80, 0xFF] {
                var bad = good
                bad[at] = byte
                #expect(throws: WireError.self) { _ = try MessageBatch.items(bad.span) }
            }
        }
    }

    @Test func `more messages than the limit are refused`() {
        var buffer = ByteBuffer()
        let none: [UInt8] = []
        for _ in 0...MessageBatch.itemsMax {
            MessageBatch.append(flag: 0, body: none.span, properties: none.span, to: &buffer)
        }
        let bytes = buffer.toArray()
        #expect(throws: WireError.tooMany("messages in a batch", limit: 65_536)) {
            _ = try MessageBatch.items(bytes.span)
        }
    }

    private func bytes(_ bytes: UInt8...) -> [UInt8] { bytes }

    private typealias Message = (flag: Int32, body: [UInt8], properties: [UInt8])

    private func randomBatch(_ random: inout SeededRandom) -> ([Message], [UInt8]) {
        var buffer = ByteBuffer()
        var messages: [Message] = []
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let message: Message = (
                .random(in: .min ... .max, using: &random), random.bytes(0...50), random.bytes(0...30)
            )
            MessageBatch.append(
                flag: message.flag, body: message.body.span, properties: message.properties.span, to: &buffer)
            messages.append(message)
        }
        return (messages, buffer.toArray())
    }
}
