import FloorServer

FloorServer(.parse(Array(CommandLine.arguments.dropFirst()))).run()
