// mqbroker: a broker as a process of its own.
import MQBroker
import MQSystem

ThisProcess.exit(BrokerCommand.run(Array(CommandLine.arguments.dropFirst())))
