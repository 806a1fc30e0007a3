"""Rows about the store, which have no floor to be compared with: a consumer at the end of the log, producers beside a
consumer of old messages, the same while files are deleted, and dispatch behind the fastest producer (scripts/bench)."""
import contextlib, glob, json, os, statistics, threading, time

MEMORY = 256 << 20  # what the broker and its page cache may have in the rows with a cold consumer
FILE = 64 << 20  # a log file in those rows
BACKLOG = 24 * MEMORY  # what the consumer has to read there: more than it can in one round
RATE = 20_000  # messages a second of the producers there


def measure(bench, options, ask, say):
    """The rows that `--only` names, as dictionaries: name, wanted, found, good."""
    rows = []
    for name, row in (("consume latency, 10,000/s, long poll", latency), ("producers beside a cold consumer", cold),
                      ("producers beside a cold consumer and deletion", deletion),
                      ("producers beside deletion alone", deletion_alone),
                      ("dispatch behind the fastest producer", dispatch)):
        if options.only in name:
            rows.append(dict(row(bench, ask), name=name))
            say(f"  {name}: done")
    return rows


def show(rows, verdict):
    print("| store | wanted | found | reached |")
    print("|---|---|---|---|")
    for row in rows:
        print(f"| {row['name']} | {row['wanted']} | {row['found']} | {verdict(row['good'])} |")


def trouble(side):
    return sum(side["errors"].values()) + side["unanswered"] + side["gaps"] + side["corrupt"]


def latency(bench, ask):
    """From the intended send to the consumer, which waits with long polls."""
    with bench.apus() as (where, broker):
        found = bench.load("both", where, broker, "--connections", 4, "--rate", 10_000, "--duration", bench.seconds,
                           "--warmup", bench.warmup)["consume"]
    times, errors = found["endToEnd"], trouble(found)
    return {"wanted": "p99 < 1 ms", "good": times["p99"] < 1 and errors == 0,
            "found": f"p50 {times['p50']:.2f}, p99 {times['p99']:.2f}, p99.9 {times['p99.9']:.2f} ms, {errors} errors"}


# ---- less memory than messages ------------------------------------------------------------------------------------


@contextlib.contextmanager
def little_memory(broker):
    """Puts the broker where it and its page cache have MEMORY; yields how."""
    group = make_group()
    if group:
        with open(os.path.join(group, "cgroup.procs"), "w") as procs:
            procs.write(str(broker.pid))
        try:
            yield f"control group of {MEMORY >> 20} MiB"
        finally:
            broker.stop()  # a group with processes cannot be removed
            with contextlib.suppress(OSError):
                os.rmdir(group)
        return
    ends = threading.Event()
    thread = threading.Thread(target=drop_caches, args=(broker.store, ends))
    thread.start()
    try:
        yield "no control group to be had: log files given up with posix_fadvise each 100 ms, as far as nobody maps them"
    finally:
        ends.set()
        thread.join()


def make_group():
    """A memory control group of its own, version 1 or 2; None if this machine does not allow it."""
    for root, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = os.path.join(root, f"apus-bench-{os.getpid()}")
        try:
            os.mkdir(group)
        except OSError:
            continue
        try:
            with open(os.path.join(group, limit), "r+") as text:
                text.write(str(MEMORY))
            return group
        except OSError:
            os.rmdir(group)
    return None


def drop_caches(store, ends):
    while not ends.wait(0.1):
        for path in glob.glob(os.path.join(store, "commitlog", "*")):
            with contextlib.suppress(OSError):
                file = os.open(path, os.O_RDONLY)
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(file)


def beside(bench, while_measuring=None, consumes=True, **keys):
    """Producers at a fixed rate alone, then beside a consumer of a backlog, `while_measuring` or both, in turn, in the same
    group. The load generator's consumer yields to all others: in earnest it has a machine of its own."""
    backlog = BACKLOG // 1200
    produce = ["--connections", 16, "--window", 32, "--rate", RATE, "--duration", bench.seconds,
               "--warmup", bench.warmup]
    rounds = []
    with bench.apus(mappedFileSizeCommitLog=FILE, **keys) as (where, broker), little_memory(broker) as how:
        for number in range(bench.rounds):
            if number == 0 or while_measuring:  # else it is still there
                bench.load("produce", where, broker, "--topic", f"old{number}", "--count", backlog)
            settle(broker)
            quiet = bench.load("produce", where, broker, *produce)["produce"]
            settle(broker)
            topic = f"old{number if while_measuring else 0}"
            consumed, ends = {}, threading.Event()
            helpers = []
            if consumes:
                helpers.append(threading.Thread(target=lambda: consumed.update(bench.load(
                    "consume", where, broker, "--topic", topic, "--connections", 4, "--from", "min", "--no-create",
                    "--group", f"old{number}", "--warmup", 0, "--duration", bench.seconds + bench.warmup, nice=10))))
            if while_measuring:
                helpers.append(threading.Thread(target=while_measuring, args=(broker, ends)))
            for thread in helpers:
                thread.start()
            loud = bench.load("produce", where, broker, *produce)["produce"]
            ends.set()
            for thread in helpers:
                thread.join()
            rounds.append((quiet, loud, consumed.get("consume")))
        files = len(glob.glob(os.path.join(broker.store, "commitlog", "*")))
    return rounds, how, backlog, files


def settle(broker):
    """Waits until the disk has what was produced, so that its writing is not measured as the consumer's doing."""
    os.sync()
    time.sleep(1)


def verdict_of(rounds, how, backlog, consumes=True):
    """`backlog`: messages that a consumer has to read; `None`: files are deleted before it."""
    tail = lambda side: side["latency"]["p99.9"]
    quiet, loud = [tail(quiet) for quiet, _, _ in rounds], [tail(loud) for _, loud, _ in rounds]
    before, after = statistics.median(quiet), statistics.median(loud)
    errors = sum(trouble(quiet) + trouble(loud) for quiet, loud, _ in rounds)
    read = [consumed["messagesPerSecond"] if consumed else 0 for _, _, consumed in rounds]
    ended = backlog and any(consumed and consumed["messages"] >= backlog for _, _, consumed in rounds)
    each = lambda values: " ".join(f"{value:.2f}" for value in values)
    good = after <= 2 * before and errors == 0 and not ended and (min(read) > 0 or not consumes)
    return {"wanted": "p99.9 ≤ 2 × quiet", "good": good,
            "found": f"{before:.2f} → {after:.2f} ms, medians of {each(quiet)} and {each(loud)}; "
            + (f"{statistics.median(read):,.0f} messages/s read, " if consumes else "") + f"{errors} errors, {how}"
            + (", it had read everything before the end" if ended else "")}


def cold(bench, ask):
    rounds, how, backlog, _ = beside(bench)
    return verdict_of(rounds, how, backlog)


def deletion(bench, ask, consumes=True):
    """The consumer loses what it had to read, which is not its trouble: it is told where the queue begins."""
    def delete(broker, ends):
        while not ends.wait(0.2):
            ask(broker.port, 329)  # expired files go now; all but the last are expired

    rounds, how, _, files = beside(bench, delete, consumes, fileReservedTime=0)
    row = verdict_of(rounds, how, None, consumes)
    row["found"] += f", {files} log files left"
    row["good"] = row["good"] and files < bench.rounds * (BACKLOG // FILE - 10)
    return row


def deletion_alone(bench, ask):
    """What deletion itself does to producers."""
    return deletion(bench, ask, consumes=False)


# ---- dispatch -----------------------------------------------------------------------------------------------------


def behind(broker, ask):
    return int(json.loads(ask(broker.port, 28)[2])["table"]["dispatchBehindBytes"])


def dispatch(bench, ask):
    """How far queues and index come to be behind the log, and how soon they are level when the producer stops."""
    with bench.apus() as (where, broker):
        greatest, ends = [0], threading.Event()

        def watch():
            while not ends.wait(0.05):
                greatest[0] = max(greatest[0], behind(broker, ask))

        watcher = threading.Thread(target=watch)
        watcher.start()
        rate = bench.load("produce", where, broker, "--connections", 16, "--window", 32, "--duration", bench.seconds,
                          "--warmup", 0)["produce"]["messagesPerSecond"]
        stopped = time.monotonic()
        while behind(broker, ask) > 0 and time.monotonic() - stopped < 10:
            pass
        level = (time.monotonic() - stopped) * 1000
        ends.set()
        watcher.join()
    return {"wanted": "≤ 64 MiB behind, level within 1 s", "good": greatest[0] <= 64 << 20 and level < 1000,
            "found": f"{greatest[0] / (1 << 20):.1f} MiB behind at {rate:,.0f} messages/s, level after {level:.0f} ms"}
