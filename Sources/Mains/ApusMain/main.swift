// apus: everything in one process, for development.
import MQSystem

ThisProcess.exit(DevelopmentCommand.run(Array(CommandLine.arguments.dropFirst())))
