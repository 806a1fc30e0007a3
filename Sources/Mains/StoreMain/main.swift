// mqstore: looks at a broker's store, and repairs it.
import MQStoreTool
import MQSystem

ThisProcess.exit(StoreCommand.run(Array(CommandLine.arguments.dropFirst())))
