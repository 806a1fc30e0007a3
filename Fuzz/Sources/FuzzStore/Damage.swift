/// Changes to a folder's files, read from a fuzzer's input: eight bytes a change.
struct Damage {
    private(set) var files: [String: [UInt8]]
    private let names: [String]
    private let input: [UInt8]
    private var position = 0

    init(_ input: [UInt8], files: [String: [UInt8]]) {
        self.input = input
        self.files = files
        names = files.keys.sorted()
    }

    /// `| what | which file | where u24, of 2^24 of the file | number u24 |`. `false`: there is no more.
    mutating func step() -> Bool {
        guard position + 8 <= input.count, position < 64 * 8 else { return false }
        let bytes = Array(input[position..<position + 8])
        position += 8
        let name = names[Int(bytes[1]) % names.count]
        let number = Int(bytes[5]) << 16 | Int(bytes[6]) << 8 | Int(bytes[7])
        guard var content = files[name] else { return true }
        let scale = Int(bytes[2]) << 16 | Int(bytes[3]) << 8 | Int(bytes[4])
        let place = content.isEmpty ? 0 : min(content.count - 1, scale * content.count >> 24)
        let sector = place / 512 * 512..<min(content.count, place / 512 * 512 + 512)
        let other = names[number % names.count]
        switch bytes[0] % 14 {
        case 0 where !content.isEmpty: content[place] ^= 1 << UInt8(number & 7)
        case 1: content.removeLast(content.count - place)
        case 2: content += [UInt8](repeating: UInt8(number & 0xFF), count: number % 8192)
        case 3: for index in sector { content[index] = 0 }
        case 4: for index in sector { content[index] = 0xFF }
        case 5:
            files[name] = files[other]
            files[other] = content
            return true
        case 6: content = files[other] ?? content
        case 7:
            files[name] = nil
            return true
        case 8:
            files[name] = nil
            files[renamed(name, number)] = content
            return true
        case 9:
            let folder = name.split(separator: "/").dropLast().joined(separator: "/") + "/"
            for path in files.keys where folder.count > 1 && path.hasPrefix(folder) { files[path] = nil }
            return true
        case 10: files["abort"] = files["abort"] == nil ? Array("17\n".utf8) : nil
        case 11: for index in 0..<8 where place + index < content.count { content[place + index] = bytes[index] }
        case 12: copySector(&content, sector, number)
        default: for index in sector { content[index] = UInt8(truncatingIfNeeded: index &* number) }
        }
        files[name] = content
        return true
    }

    private func renamed(_ name: String, _ number: Int) -> String {
        var parts = name.split(separator: "/").map(String.init)
        let digits = String(number % 4 * (name.hasPrefix("commitlog") ? Sample.logFileByteCount : 200))
        parts[parts.count - 1] = String(repeating: "0", count: 20 - digits.count) + digits
        return parts.joined(separator: "/")
    }

    private func copySector(_ content: inout [UInt8], _ sector: Range<Int>, _ number: Int) {
        guard content.count >= 1024 else { return }
        let source = number * 512 % (content.count - 512) / 512 * 512
        for index in 0..<sector.count { content[sector.lowerBound + index] = content[source + index] }
    }
}
