import Glibc

/// recv(2) on a blocking socket. Begins anew when a signal interrupts it: other tests of this process have children
/// that end, and a socket with a time limit is never restarted by the kernel.
/// - Returns: as recv(2) does; 0 is the end of the connection, and -1 an error or a time limit that is over.
public func receive(_ descriptor: Int32, into chunk: inout [UInt8]) -> Int {
    while true {
        let count = chunk.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
        if count >= 0 || errno != EINTR { return count }
    }
}
