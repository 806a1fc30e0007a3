package import MQSystem

/// A disk that remembers every change below one folder, in order, so that a crash between any two of them can be made
/// afterwards. The files are real, and whoever works on them notices nothing; one thread at a time may change them.
///
/// `Mark` is what is promised at a moment, asked for at every change before whoever made it goes on.
package final class SimulatedDisk<Mark: Sendable>: DiskObserver {
    /// A moment at which the power can go: before the first change, between two, or behind the last one.
    package struct Boundary {
        /// Changes done before it.
        package let number: Int
        /// The change that is under way; `nil` behind the last one.
        package let next: DiskChange?
        /// What is promised at this moment.
        package let mark: Mark
        /// What the disk holds.
        package let image: DiskImage
    }

    private struct State {
        var start: DiskImage?
        var changes: [DiskChange] = []
        var marks: [Mark] = []
    }

    private let folder: String
    private let state: Lock<State>
    private let mark: @Sendable () -> Mark

    /// Watches what is below `folder` from now on; what is there is durable.
    package init(_ folder: String, mark: @escaping @Sendable () -> Mark) throws {
        self.folder = folder
        self.mark = mark
        state = Lock(State(start: try DiskImage(of: folder)))
        DiskWatch.begin(folder, self)
    }

    package func changed(_ change: DiskChange) {
        let mark = mark()
        state.withLock { state in
            state.changes.append(change)
            state.marks.append(mark)
        }
    }

    /// How many changes there were.
    package var changeCount: Int { state.withLock { $0.changes.count } }

    /// Ends the watch and calls `body` for every moment at which the power could have gone, in order. Once.
    /// - Parameter last: the number of the last one that is of interest; none before it is left out.
    package func forEachBoundary(upTo last: Int = .max, _ body: (Boundary) throws -> Void) throws {
        DiskWatch.end(folder)
        let (start, changes, marks) = state.withLock { state in
            defer { state.start = nil }
            return (state.start, state.changes, state.marks)
        }
        guard var image = start else { preconditionFailure("the disk was played back before") }
        for number in 0...min(changes.count, last) {
            let isLast = number == changes.count
            try body(
                Boundary(
                    number: number, next: isLast ? nil : changes[number], mark: isLast ? mark() : marks[number],
                    image: image))
            if !isLast, number < last { image.apply(changes[number]) }
        }
    }
}
