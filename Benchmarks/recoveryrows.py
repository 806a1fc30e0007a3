"""Rows about starts: how soon a broker answers whose store has some GB and 10,000 queues, after a clean stop and after
kill -9, with its files in memory and not (scripts/bench --only start); and the same of 20 GiB, which takes
a disk and some minutes and is measured only when it is asked for (scripts/bench --only "20 GiB")."""
import glob, os, re, signal, time

TOPICS, QUEUES = 100, 100
LARGE = "20 GiB"
REST = 200_000  # messages of a second load, in the middle of which the broker is killed


def measure(bench, options, ask, say):
    """The rows that `--only` names, as dictionaries: name, wanted, found, good."""
    rows = []
    if options.only in "start":
        count = 400_000 if options.quick else 4_000_000
        rows += starts(bench, say, "start", lambda where, broker: load(bench, where, broker, count))
    if options.only == LARGE:
        rows += starts(bench, say, f"start of {LARGE}", lambda where, broker: load_much(bench, where, broker))
    return rows


def starts(bench, say, what, fill):
    rows = []
    with bench.apus() as (where, broker):
        fill(where, broker)
        for name, end, wanted, limit in (
                ("after a clean stop", clean, "< 1 s", 1000), ("after kill -9, idle", killed, "< 1 s", 1000),
                ("after kill -9 under load", killed_under_load, "what lies behind the point read again", None),
                ("after kill -9 and another boot", killed_and_booted, "what lies behind the point read again", None)):
            for cold in (False, True):
                end(bench, where, broker)
                if cold:
                    forget(broker.store)
                state = "files not in memory" if cold else "files in memory"
                try:
                    bench.start_again(broker)
                except Exception as failure:  # the others would begin from what is not known
                    rows.append({"name": f"{what} {name}, {state}", "wanted": wanted, "good": False,
                                 "found": str(failure).splitlines()[0]})
                    return rows
                ready = broker.ready_ms
                byte_count, again = opened(broker)
                # One core checks and dispatches 300 MB/s at the least, when the disk brings them.
                good = ready < (limit or 1000 + again / 300e3)
                rows.append({
                    "name": f"{what} {name}, {state}", "wanted": wanted,
                    "good": good, "found": f"{ready:.0f} ms; {byte_count / 1e9:.1f} GB of log, "
                    f"{len(glob.glob(broker.store + '/consumequeue/*/*')):,} queues, {again / 1e6:,.0f} MB read again"})
                say(f"  {rows[-1]['name']}: {ready:.0f} ms")
    return rows


def load_much(bench, where, broker):
    bench.load("produce", where, broker, "--topic", "much", "--topics", 8, "--queues", 8, "--count", (20 << 30) // 1200)


def load(bench, where, broker, count):
    # Every place of a window has a queue of its own.
    bench.load("produce", where, broker, "--topic", "many", "--topics", TOPICS, "--queues", QUEUES, "--count", count,
               "--connections", 1, "--window", TOPICS * QUEUES)


def clean(bench, where, broker):
    broker.stop()


def killed(bench, where, broker):
    os.sync()
    time.sleep(3)
    kill(broker)


def killed_under_load(bench, where, broker):
    load(bench, where, broker, REST)
    kill(broker)


def killed_and_booted(bench, where, broker):
    """As if the machine had been started again, and had lost nothing."""
    killed_under_load(bench, where, broker)
    with open(os.path.join(broker.store, "abort"), "w") as abort:
        abort.write("17\nanother boot\n")


def kill(broker):
    broker.process.send_signal(signal.SIGKILL)
    broker.process.wait()


def forget(store):
    """Takes the store's files out of the page cache; names and lengths stay known to the system."""
    os.sync()
    for folder, _, names in os.walk(store):
        for name in names:
            file = os.open(os.path.join(folder, name), os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def opened(broker):
    """Bytes of the log, and how many of them the last start read again, as its log says."""
    with open(glob.glob(os.path.join(broker.folder, "**", "broker.log"), recursive=True)[0]) as text:
        line = [line for line in text if "store opened" in line][-1]
    number = lambda name: int(re.search(name + r"\W+(\d+)", line).group(1))
    return number("end"), number("end") - min(number("scannedFrom"), number("dispatchedFrom"))
