#!/bin/sh
# Loads a cluster, in the background as RocketMQ's script does: NAMESRV_ADDR=host:9876 tproducer.sh [options]; stop it with
# shutdown.sh tproducer.
exec sh "$(dirname "$(readlink -f "$0")")/runclass.sh" org.apache.rocketmq.example.benchmark.TransactionProducer "$@" &
