// mqnamesrv: the name server as a process of its own.
import MQNameServer
import MQSystem

ThisProcess.exit(NameServerCommand.run(Array(CommandLine.arguments.dropFirst())))
