#!/bin/sh
# Runs one of the load programs in the foreground: runclass.sh org.apache.rocketmq.example.benchmark.Producer [options]
folder=$(dirname "$(readlink -f "$0")")
exec sh "${folder%/benchmark}/bin/tools.sh" "$@"
