import Glibc

/// A system call that failed: the world's fault, never the peer's.
public struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    /// `errno` after the call.
    public let code: Int32
    /// The call, as its manual page is named.
    public let call: String
    /// What it was applied to: a path, an address.
    public let subject: String

    /// An error with evidence given by hand.
    public init(code: Int32, call: String, subject: String) {
        self.code = code
        self.call = call
        self.subject = subject
    }

    /// The error that `errno` tells now.
    public static func last(_ call: String, _ subject: String) -> SystemError {
        SystemError(code: errno, call: call, subject: subject)
    }

    /// Whether the disk is full.
    public var isNoSpace: Bool { code == ENOSPC || code == EDQUOT }
    /// Whether the thing does not exist.
    public var isNotFound: Bool { code == ENOENT }
    /// Whether somebody else listens on the port.
    public var isAddressInUse: Bool { code == EADDRINUSE }
    /// Whether somebody else holds the lock.
    public var isLocked: Bool { code == EAGAIN || code == EACCES }

    /// The system's sentence for the code.
    public var reason: String {
        // SAFETY: strerror returns a terminated string that is copied at once.
        unsafe String(cString: strerror(code))
    }

    public var description: String { "\(call) \(subject): \(reason)" }
}
