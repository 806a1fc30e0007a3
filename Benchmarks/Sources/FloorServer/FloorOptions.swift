import BenchWire
import Glibc

/// What the floor server was told.
public struct FloorOptions {
    /// 0 takes a free port.
    public var port: UInt16 = 10911
    /// Where its files go; made if absent.
    public var directory = "floor-data"
    /// One `fdatasync` per wake-up that brought messages.
    public var sync = false

    /// Reads the command line; ends the process on a bad one.
    public static func parse(_ arguments: [String]) -> FloorOptions {
        var options = FloorOptions()
        var rest = arguments[...]
        while let name = rest.popFirst() {
            switch name {
            case "--sync":
                options.sync = true
            case "--port":
                guard let port = rest.popFirst().flatMap({ UInt16($0) }) else {
                    stop("floor: --port needs a number from 0 to 65535")
                }
                options.port = port
            case "--dir":
                guard let directory = rest.popFirst() else { stop("floor: --dir needs a folder") }
                options.directory = directory
            case "--help", "-h":
                write("usage: floor [--port N] [--dir FOLDER] [--sync]\n", to: 1)
                exit(0)
            default:
                stop("floor: \(name) is not an option; there are --port, --dir and --sync")
            }
        }
        return options
    }
}
