/// A value that only one loop may touch; may be carried anywhere. Checked on every access, in release too (about 2 ns).
@safe public final class LoopBound<Value>: @unchecked Sendable {
    // @unchecked: `stored` is reached only after `preconditionOnLoop()`.
    public let loop: EventLoop
    private var stored: Value

    /// Binds `value` to `loop`. On the loop, or before it starts.
    public init(_ value: Value, on loop: EventLoop) {
        loop.preconditionOnLoop()
        self.loop = loop
        stored = value
    }

    /// The value. Loop only.
    public var value: Value {
        get {
            loop.preconditionOnLoop()
            return stored
        }
        _modify {
            loop.preconditionOnLoop()
            yield &stored
        }
    }

    /// Runs `body` with the value on its loop. Any thread.
    public func execute(_ body: @escaping @Sendable (Value) -> Void) {
        loop.execute { body(self.value) }
    }
}
