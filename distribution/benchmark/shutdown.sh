#!/bin/sh
# Ends load programs of this machine: shutdown.sh producer | consumer | tproducer | bproducer

# Ids of the processes that run lib/mqexample with the class $1, one a line.
running() {
    for folder in /proc/[0-9]*; do
        read -r name 2>/dev/null <"$folder/comm" || continue
        [ "$name" = mqexample ] || continue
        if tr '\0' '\n' 2>/dev/null <"$folder/cmdline" | grep -qx "$1"; then echo "${folder#/proc/}"; fi
    done
}

# shut_down CLASS NAME-IN-MESSAGES
shut_down() {
    pids=$(running "org.apache.rocketmq.example.benchmark.$1")
    if [ -z "$pids" ]; then
        echo "No benchmark $2 running."
        exit 1
    fi
    echo "The benchmark $2($pids) is running..."
    # shellcheck disable=SC2086 # one word for each process id
    kill $pids || exit 1
    echo "Send shutdown request to benchmark $2($pids) OK"
}

case $1 in
    producer) shut_down Producer producer ;;
    consumer) shut_down Consumer consumer ;;
    tproducer) shut_down TransactionProducer "transaction producer" ;;
    bproducer) shut_down BatchProducer "batch producer" ;;
    *)
        echo "Usage: shutdown.sh producer | consumer | tproducer | bproducer"
        exit 1
        ;;
esac
