import MQBytes

/// Which topics may name a folder. Names come from records, and records from whoever wrote the log.
package enum FolderName {
    /// Whether a topic's name is the name of one folder, and nothing else.
    /// - Parameter text: `bytes`, as text.
    package static func isTopic(_ text: String, _ bytes: Span<UInt8>) -> Bool {
        guard (1...255).contains(bytes.count), text != ".", text != "..", Array(text.utf8).span.equals(bytes) else {
            return false
        }
        return text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "/") }
    }
}
