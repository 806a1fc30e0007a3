import MQBase
import MQBytes
import MQFilter
import MQRemoting
import MQStore
import MQSystem
import MQTransport

/// Pulls that filter by properties. The loop looks at records that are surely in memory; at others a `cold-read` thread.
extension PullHandler {
    /// What one look may spend on evaluations, about ns: on a loop, whose other connections wait meanwhile, and on a
    /// thread that reads cold records. A pull that has spent it is answered with how far it came.
    static let effortMax = 2_000_000
    static let coldEffortMax = 20_000_000

    /// Looks from where `pull` has come to, without touching cold records.
    func read(_ pull: Pull, _ filter: SQLFilter) throws(SystemError) -> ReadResult {
        try Self.read(
            store, pull.queue, from: pull.nextOffset, pull.limits, filter, &units, mayWait: false,
            effortMax: Self.effortMax)
    }

    private static func read(
        _ store: MessageStore, _ queue: ConsumeQueue, from offset: Int64, _ limits: ReadLimits, _ filter: SQLFilter,
        _ units: inout ByteBuffer, mayWait: Bool, effortMax: Int
    ) throws(SystemError) -> ReadResult {
        var effort = 0
        return try store.read(queue, from: offset, limits: limits, units: &units, mayWait: mayWait) { properties in
            if effort >= effortMax { return .stop(.reader) }
            return filter.matches(properties, effort: &effort) ? .take : .leave
        }
    }

    /// Goes on with a look that stopped early and found nothing.
    func goOn(_ pull: Pull, _ result: ReadResult, parkMilliseconds: Int64) {
        guard result.stop == .cold, let filter = pull.properties else { return answerNothing(pull, result) }
        let bound = LoopBound((self, pull), on: loop)
        let (queue, limits, offset) = (pull.queue, pull.limits, result.nextOffset)
        let isAccepted = coldReads.submit { [store] in
            var units = ByteBuffer(capacity: 32 << 10)
            do throws(SystemError) {
                let found = try Self.read(
                    store, queue, from: offset, limits, filter, &units, mayWait: true, effortMax: Self.coldEffortMax)
                let copied = Self.copy(found)
                bound.execute { handler, pull in handler.finish(pull, found, copied, parkMilliseconds) }
            } catch {
                bound.execute { handler, pull in handler.refuse(pull, .unreadable(error)) }
            }
        }
        if !isAccepted { refuse(pull, .busy) }
    }

    private func finish(_ pull: Pull, _ result: ReadResult, _ copied: [UInt8]?, _ parkMilliseconds: Int64) {
        guard pull.channel.connection.isOpen else { return }  // nobody would take it from the parked ones
        guard result.status == .found else { return settle(pull, result, parkMilliseconds: parkMilliseconds) }
        count(result)
        deliver(pull, result, copied: copied)
    }
}
