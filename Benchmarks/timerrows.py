"""Rows about messages with a time of delivery: many that are due in one second, among more that wait, and a steady stream.
Times are read from the store the broker wrote: when each message was stored for its real topic (scripts/bench)."""
import glob, json, os, struct, time

SLOT = 1000  # timerPrecisionMs


def measure(bench, options, ask, say):
    """The rows that `--only` names, as dictionaries: name, wanted, found, good."""
    rows = []
    for name, row in (("timers: half of those that wait due in one second", burst),
                      ("timers: 10,000/s, each due 3 s later", steady)):
        if options.only in name:
            rows.append(dict(row(bench, ask), name=name))
            say(f"  {name}: done")
    return rows


def info(broker, ask):
    return json.loads(ask(broker.port, 28)[2])["table"]


def settled(broker, ask):
    """Waits until everything that was sent waits in the wheel."""
    while int(info(broker, ask)["timerOffsetBehind"]) or int(info(broker, ask)["dispatchBehindBytes"]):
        time.sleep(0.02)


def places(broker, topic):
    """Where the topic's messages lie in the log."""
    found = []
    for queue in glob.glob(os.path.join(broker.store, "consumequeue", topic, "*")):
        for path in sorted(glob.glob(os.path.join(queue, "*"))):
            with open(path, "rb") as file:
                data = file.read()
            for offset, size in struct.iter_unpack(">qi8x", data[:len(data) // 20 * 20]):
                if size == 0:
                    break
                found.append(offset)
    return found


def count(broker, topic, wanted, deadline):
    """Waits until the topic has so many messages; says how long that took, in seconds."""
    began = time.monotonic()
    while len(places(broker, topic)) < wanted and time.monotonic() < began + deadline:
        time.sleep(0.1)
    return time.monotonic() - began


def lateness(broker, topic):
    """Of each message: milliseconds from the end of its slot to its being stored; and the first and last of these times."""
    files = {}
    late, times = [], []
    for place in places(broker, topic):
        start = place // LOG * LOG
        if start not in files:
            files[start] = os.open(os.path.join(broker.store, "commitlog", f"{start:020}"), os.O_RDONLY)
        record = os.pread(files[start], 2048, place - start)
        stored = struct.unpack_from(">q", record, 56)[0]
        at = record.index(b"TIMER_OUT_MS\x01") + 13
        late.append(stored - int(record[at:at + 13]) - SLOT)
        times.append(stored)
    for file in files.values():
        os.close(file)
    return sorted(late), min(times), max(times)


LOG = 1 << 30


def percentile(sorted_values, part):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * part))]


def burst(bench, ask):
    """Half of the messages are due in one second, half much later."""
    half = bench.count // 2
    with bench.apus() as (where, broker):
        send = ["--count", half, "--size", 256, "--window", 64, "--warmup", 0]
        bench.load("produce", where, broker, *send, "--topic", "later", "--property",
                   f"TIMER_DELIVER_MS={int(time.time() * 1000) + 7_200_000}")
        began = time.monotonic()
        due = int(time.time() * 1000) + 20_000
        sent = bench.load("produce", where, broker, *send, "--topic", "due", "--property", f"TIMER_DELIVER_MS={due}")
        settled(broker, ask)
        taken = half / (time.monotonic() - began)
        memory = broker.memory_kib("RssAnon") / 1024
        while time.time() * 1000 < due - 300:
            time.sleep(0.05)
        before = broker.cpu_seconds()
        waited = count(broker, "due_0", half, 60)
        cpu = (broker.cpu_seconds() - before) / half * 1e6
        late, first, last = lateness(broker, "due_0")
    good = len(late) == half and late[0] >= 0 and last - due < 5000
    return {"wanted": "all within 5 s, none early", "good": good,
            "found": f"{len(late):,} of {half:,} delivered, {half / max(0.001, (last - first) / 1000):,.0f}/s, the last "
                     f"{(last - due) / 1000:.2f} s after its time, p50 {percentile(late, 0.5)} p99 {percentile(late, 0.99)} ms "
                     f"behind the slot's end, {cpu:.2f} µs of CPU each; {2 * half:,} waited with {memory:.1f} MiB RssAnon, "
                     f"taken in at {taken:,.0f}/s (sends {sent['produce']['messagesPerSecond']:,.0f}/s)"}


def steady(bench, ask):
    """A stream, each message due three seconds after it was sent; the wheel empties a slot a second."""
    seconds = 2 * bench.seconds
    with bench.apus() as (where, broker):
        before = broker.cpu_seconds()
        sent = bench.load("produce", where, broker, "--rate", 10_000, "--size", 256, "--duration", seconds, "--warmup", 0,
                          "--topic", "stream", "--property", "TIMER_DELAY_MS=3000")["produce"]["messages"]
        count(broker, "stream_0", sent, 20)
        cpu = (broker.cpu_seconds() - before) / sent * 1e6
        late, _, _ = lateness(broker, "stream_0")
    good = len(late) >= sent and late[0] >= 0 and percentile(late, 0.99) < 200
    return {"wanted": "p99 < 200 ms behind the slot's end, none early", "good": good,
            "found": f"{len(late):,} of {sent:,}, p50 {percentile(late, 0.5)} p99 {percentile(late, 0.99)} "
                     f"max {late[-1]} ms behind the slot's end, {cpu:.2f} µs of CPU each, send and delivery"}
