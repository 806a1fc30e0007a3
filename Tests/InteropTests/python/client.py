"""Apache's C++ remoting client behind a line protocol, for tests: JSON commands in, JSON events out.

producer  reads {"op": "send", "topic": …, "bodies": […], "mode": "sync" | "oneway" | "orderly", "tags": …, "keys": …,
          "properties": {…}, "shardingKey": …, "delayLevel": …}; answers one "sent" or "failed" event a body, then "done".
transaction  reads {"op": "send", "topic": …, "bodies": […], "mode": "commit" | "rollback" | "unknown"}; answers like
          producer, and prints a "checked" event for each question of the broker's, which it answers with --check.
consumer  prints a "message" event for each delivery; the first --fail deliveries of each body are answered RECONSUME_LATER.

Both print "started" once they run, and stop at {"op": "stop"} or at the end of standard input with "stopped".
"""
import argparse
import collections
import json
import os
import sys
import threading

from rocketmq.client import (
    ConsumeStatus, Message, Producer, PushConsumer, TransactionMQProducer, TransactionStatus)
from rocketmq.ffi import MessageModel

output_lock = threading.Lock()


def tell(event, **fields):
    """One event, whole lines only: callbacks of the client run on its own threads."""
    with output_lock:
        sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
        sys.stdout.flush()


def commands():
    for line in sys.stdin:
        command = json.loads(line)
        if command["op"] == "stop":
            return
        yield command


def text(value):
    return value.decode("utf-8") if isinstance(value, bytes) else value


def make_message(command, body):
    message = Message(command["topic"])
    message.set_body(body)
    if command.get("tags"):
        message.set_tags(command["tags"])
    if command.get("keys"):
        message.set_keys(command["keys"])
    for key, value in command.get("properties", {}).items():
        message.set_property(key, value)
    if command.get("delayLevel"):
        message.set_delay_time_level(command["delayLevel"])
    return message


def send(producer, command, body):
    message = make_message(command, body)
    try:
        mode = command.get("mode", "sync")
        if mode == "oneway":
            producer.send_oneway(message)
            tell("sent", body=body[:200])
            return
        if mode == "orderly":
            result = producer.send_orderly_with_sharding_key(message, command["shardingKey"])
        else:
            result = producer.send_sync(message)
        tell("sent", body=body[:200], status=result.status.name, msgId=result.msg_id, offset=result.offset)
    except Exception as error:  # whatever the client raises is what the test wants to see
        tell("failed", body=body[:200], error="%s: %s" % (type(error).__name__, error))
    finally:
        message.destroy()


def run_producer(arguments):
    producer = Producer(arguments.group, orderly=arguments.orderly, timeout=arguments.timeout)
    producer.set_namesrv_addr(arguments.namesrv)
    producer.start()
    tell("started")
    for command in commands():
        for body in command["bodies"]:
            send(producer, command, body)
        tell("done")
    producer.shutdown()


def run_transaction(arguments):
    states = {
        "commit": TransactionStatus.COMMIT, "rollback": TransactionStatus.ROLLBACK,
        "unknown": TransactionStatus.UNKNOWN}

    def check(message):
        tell("checked", body=text(message.body)[:200], topic=message.topic)
        return states[arguments.check]

    producer = TransactionMQProducer(arguments.group, check, timeout=arguments.timeout)
    producer.set_namesrv_addr(arguments.namesrv)
    producer.start()
    tell("started")
    for command in commands():
        for body in command["bodies"]:
            message = make_message(command, body)
            try:
                result = producer.send_message_in_transaction(message, lambda _, __: states[command["mode"]])
                tell("sent", body=body[:200], status=result.status.name, msgId=result.msg_id, offset=result.offset)
            except Exception as error:  # whatever the client raises is what the test wants to see
                tell("failed", body=body[:200], error="%s: %s" % (type(error).__name__, error))
            finally:
                message.destroy()
        tell("done")
    producer.shutdown()


def run_consumer(arguments):
    model = MessageModel.BROADCASTING if arguments.model == "broadcasting" else MessageModel.CLUSTERING
    consumer = PushConsumer(arguments.group, orderly=arguments.orderly, message_model=model)
    consumer.set_namesrv_addr(arguments.namesrv)
    if arguments.instance:
        consumer.set_instance_name(arguments.instance)
    consumer.set_thread_count(1 if arguments.orderly else 4)
    deliveries = collections.Counter()
    deliveries_lock = threading.Lock()

    def receive(message):
        body = text(message.body)
        with deliveries_lock:
            deliveries[body] += 1
            succeeds = deliveries[body] > arguments.fail
        tell(
            "message",
            body=body[:200],
            byteCount=len(message.body),
            topic=message.topic,
            tags=text(message.tags),
            keys=text(message.keys),
            msgId=message.id,
            queueId=message.queue_id,
            queueOffset=message.queue_offset,
            reconsumeTimes=message.reconsume_times,
            bornTimestamp=message.born_timestamp,
            storeTimestamp=message.store_timestamp,
            properties={key: text(message.get_property(key)) for key in arguments.property},
            succeeds=succeeds,
        )
        return ConsumeStatus.CONSUME_SUCCESS if succeeds else ConsumeStatus.RECONSUME_LATER

    consumer.subscribe(arguments.topic, receive, arguments.expression)
    consumer.start()
    tell("started")
    for _ in commands():
        pass
    consumer.shutdown()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=["producer", "transaction", "consumer"])
    parser.add_argument("--namesrv", required=True)
    parser.add_argument("--group", required=True)
    parser.add_argument("--orderly", action="store_true")
    parser.add_argument("--timeout", type=int, default=3000, help="producer: milliseconds a send may take")
    parser.add_argument("--check", default="unknown", help="transaction: the answer to checks")
    parser.add_argument("--topic", help="consumer: what to subscribe to")
    parser.add_argument("--expression", default="*")
    parser.add_argument("--model", choices=["clustering", "broadcasting"], default="clustering")
    parser.add_argument("--instance", default="")
    parser.add_argument("--fail", type=int, default=0)
    parser.add_argument("--property", action="append", default=[], help="consumer: a property to print")
    arguments = parser.parse_args()
    {"producer": run_producer, "transaction": run_transaction, "consumer": run_consumer}[arguments.role](arguments)
    tell("stopped")
    # The library's own threads may outlive its shutdown: do not wait for them.
    os._exit(0)


main()
