#!/bin/sh
# Runs an example: NAMESRV_ADDR=host:9876 tools.sh org.apache.rocketmq.example.quickstart.Producer
# ROCKETMQ_HOME is this script's folder's parent, through symbolic links, unless it is set already.
if [ -z "$ROCKETMQ_HOME" ]; then
    script=$(readlink -f "$0")
    ROCKETMQ_HOME=${script%/bin/*}
fi
export ROCKETMQ_HOME
if [ ! -x "$ROCKETMQ_HOME/lib/mqexample" ]; then
    echo "ROCKETMQ_HOME=$ROCKETMQ_HOME has no executable lib/mqexample: unset it, or set it to the folder of this installation." >&2
    exit 1
fi
exec "$ROCKETMQ_HOME/lib/mqexample" "$@"
