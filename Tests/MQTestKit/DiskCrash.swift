import MQBase
package import MQSystem

/// How one crash treats what was not synced. Drawn from a seed: all of it kept, all lost, or each part by chance.
package struct DiskCrash {
    private enum Odds {
        case all, none, some
    }

    private let data: Odds
    private let names: Odds
    private var random: SeededRandom
    /// The change that the crash interrupts, as far as it got.
    private var interrupted: (inode: UInt64, change: DiskChange)?

    /// A crash of the machine.
    /// - Parameter next: the change that was under way; a write may have been done in part, up to any byte.
    package static func ofMachine(seed: UInt64, during next: DiskChange?) -> DiskCrash {
        var random = SeededRandom(seed: seed)
        let odds: [Odds] = [.all, .none, .some, .some]
        let data = odds.randomElement(using: &random) ?? .some
        let names = odds.randomElement(using: &random) ?? .some
        var crash = DiskCrash(data: data, names: names, random: random)
        if Bool.random(using: &crash.random) { crash.interrupt(next) }
        return crash
    }

    /// The end of the process: what was done is done. A write that was under way ends at any byte.
    package static func ofProcess(seed: UInt64, during next: DiskChange?) -> DiskCrash {
        var crash = DiskCrash(data: .all, names: .all, random: SeededRandom(seed: seed))
        crash.interrupt(next)
        return crash
    }

    private init(data: Odds, names: Odds, random: SeededRandom) {
        self.data = data
        self.names = names
        self.random = random
    }

    private mutating func interrupt(_ next: DiskChange?) {
        guard case .write(let inode, let offset, let bytes) = next, !bytes.isEmpty else { return }
        let count = Int.random(in: 0...bytes.count, using: &random)
        interrupted = (inode, .write(inode: inode, offset: offset, bytes: Array(bytes[..<count])))
    }

    /// The names that are left in a folder.
    mutating func names(_ folder: DiskImage.Folder) -> [String: DiskImage.Node] {
        switch names {
        case .all: return folder.current
        case .none: return folder.durable
        case .some:
            var left = folder.durable
            for step in folder.pending where Bool.random(using: &random) {
                for (name, node) in step { left[name] = node }
            }
            return left
        }
    }

    /// The bytes that are left of a file.
    mutating func bytes(_ content: DiskImage.Content, of image: DiskImage) -> [UInt8] {
        var pending = content.pending
        if let interrupted, image.content(interrupted.inode) === content { pending.append(interrupted.change) }
        if pending.isEmpty || data == .none { return content.durable }
        guard data == .some else {
            var bytes = content.current
            if pending.count > content.pending.count { pending[pending.count - 1].apply(to: &bytes) }
            return bytes
        }
        return mixed(content.durable, pending)
    }

    /// Every sector as it was at some moment since the sync.
    private mutating func mixed(_ durable: [UInt8], _ pending: [DiskChange]) -> [UInt8] {
        let lengthMoment = moment(pending.count)
        var length = durable.count
        var longest = length
        var wanted = length
        for (index, change) in pending.enumerated() {
            length = change.byteCount(after: length)
            longest = max(longest, length)
            if index < lengthMoment { wanted = length }
        }
        var bytes = durable
        bytes.grow(to: longest)
        var moments: [Int: Int] = [:]
        for (index, change) in pending.enumerated() {
            switch change {
            case .write(_, let offset, let new), .store(_, let offset, let new):
                for (sector, range) in Self.sectors(offset..<(offset + new.count)) {
                    guard isKept(sector, index, pending.count, &moments) else { continue }
                    bytes.overlay(new, from: range.lowerBound - offset, count: range.count, at: range.lowerBound)
                }
            case .zero(_, let range):
                for (sector, range) in Self.sectors(range) where isKept(sector, index, pending.count, &moments) {
                    bytes.zero(range)
                }
            case .truncate(_, let byteCount):  // the blocks behind go with the length
                if index < lengthMoment, byteCount < longest { bytes.zero(byteCount..<longest) }
            default: break
            }
        }
        DiskChange.truncate(inode: 0, byteCount: wanted).apply(to: &bytes)
        return bytes
    }

    private mutating func isKept(_ sector: Int, _ index: Int, _ count: Int, _ moments: inout [Int: Int]) -> Bool {
        if let moment = moments[sector] { return index < moment }
        let moment = moment(count)
        moments[sector] = moment
        return index < moment
    }

    /// How many of `count` changes were made at the moment: often none or all.
    private mutating func moment(_ count: Int) -> Int {
        switch Int.random(in: 0..<3, using: &random) {
        case 0: 0
        case 1: count
        default: Int.random(in: 0...count, using: &random)
        }
    }

    private static func sectors(_ range: Range<Int>) -> [(sector: Int, range: Range<Int>)] {
        guard !range.isEmpty else { return [] }
        let size = DiskImage.sectorByteCount
        return (range.lowerBound / size...(range.upperBound - 1) / size).map { sector in
            (sector, range.clamped(to: (sector * size)..<((sector + 1) * size)))
        }
    }
}
