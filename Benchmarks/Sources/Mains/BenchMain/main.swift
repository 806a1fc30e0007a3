import LoadGenerator

BenchProgram.main(Array(CommandLine.arguments.dropFirst()))
