import Glibc

/// Bytes to be sent, as many at a time as the socket takes.
struct OutputBuffer {
    private var bytes: [UInt8] = []
    private var sent = 0

    /// Whether everything is sent.
    var isEmpty: Bool { sent == bytes.count }

    mutating func append(_ more: [UInt8]) { bytes.append(contentsOf: more) }

    /// Writes once. `false` if the peer is gone.
    mutating func flush(to descriptor: Int32) -> Bool {
        guard !isEmpty else { return true }
        let count = bytes.withUnsafeBytes {
            send(descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
        }
        if count < 0 { return errno == EAGAIN || errno == EINTR }
        sent += count
        if isEmpty {
            bytes.removeAll(keepingCapacity: true)
            sent = 0
        }
        return true
    }
}
