import MQSystem

/// Does something while a sync runs that a test started, and counts syncs of files: the races of the threads that sync
/// with those that write, one step at a time.
final class DuringSync: DiskObserver {
    private struct State: Sendable {
        var action: (@Sendable () -> Void)?
        var count = 0
        var changes: [DiskChange] = []
    }

    private let state = Lock(State())
    private let folder: String

    /// Watches what is opened below `folder` from now on.
    init(below folder: String) {
        self.folder = folder
        DiskWatch.begin(folder, self)
    }

    func end() { DiskWatch.end(folder) }

    /// How many syncs of files there were.
    var count: Int { state.withLock { $0.count } }

    /// Everything that was done, in order.
    var changes: [DiskChange] { state.withLock { $0.changes } }

    /// At the end of the next sync, before its caller hears of it.
    func next(_ action: @escaping @Sendable () -> Void) { state.withLock { $0.action = action } }

    func changed(_ change: DiskChange) {
        let action = state.withLock { state -> (@Sendable () -> Void)? in
            state.changes.append(change)
            guard case .synchronize = change else { return nil }
            state.count += 1
            defer { state.action = nil }
            return state.action
        }
        action?()
    }
}
