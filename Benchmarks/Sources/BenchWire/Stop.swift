import Glibc

/// Ends the process with one plain sentence on standard error and exit code 1.
public func stop(_ sentence: String) -> Never {
    say(sentence)
    exit(1)
}

/// One line on standard error.
public func say(_ line: String) {
    write(line + "\n", to: 2)
}

/// Writes all of `text` to a descriptor; gives up silently if it is closed.
public func write(_ text: String, to descriptor: Int32) {
    var text = text
    text.withUTF8 { bytes in
        var done = 0
        while done < bytes.count {
            let count = Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return }
            done += count
        }
    }
}

/// The text of the calling thread's last system error.
public var systemError: String { String(cString: strerror(errno)) }
