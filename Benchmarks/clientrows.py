"""Rows about the Swift client (`mqexample benchmark.Producer` and `benchmark.Consumer`) beside the broker on the same
cores: one producer instance, one connection (scripts/bench)."""
import os, re, subprocess

WANTED = 300_000  # messages a second of one producer, 1 KiB each, 256 on their way


def measure(bench, options, say):
    rows = []
    for name, row in (("client: one producer, window 256", produce), ("client: a push consumer beside it", both)):
        if options.only in name:
            rows.append(dict(row(bench), name=name))
            say(f"  {name}: done")
    return rows


def command(bench, broker, role, *arguments):
    # Not BenchmarkTest, which has 1,024 queues: with messages of one producer dispatch would write one unit a queue.
    where = ["-n", f"127.0.0.1:{broker.name_server.port}", "-ri", "100000", "-t", "ClientBench"]
    program = os.path.join(bench.options.apus, "mqexample")
    return [program, f"org.apache.rocketmq.example.benchmark.{role}", *where, *[str(a) for a in arguments]]


def figures(text):
    last = [line for line in text.splitlines() if line.startswith("[Complete]")]
    if not last:
        raise RuntimeError(f"no result: {text[-500:]}")
    number = lambda what: float(re.search(what + r": *([0-9.]+)", last[0]).group(1))
    failed = sum(int(n) for n in re.findall(r"(?:Failed|Fail): (\d+)", last[0]))
    return {"rate": number("TPS"), "p50": number(r"p50\(ms\)"), "p99": number(r"p99\(ms\)"),
            "p999": number(r"p99\.9\(ms\)"), "failed": failed}


def produce(bench):
    rates, found = [], None
    for _ in range(bench.rounds):
        with bench.apus() as (_, broker):
            done = subprocess.run(
                command(bench, broker, "Producer", "-w", 256, "-s", 1024, "-q", bench.count), capture_output=True,
                text=True, timeout=180)
            result = figures(done.stdout)
            rates.append(result["rate"])
            if result["rate"] == max(rates):
                found = result
    median = sorted(rates)[len(rates) // 2]
    return {"wanted": f"≥ {WANTED:,} messages/s", "good": median >= WANTED and found["failed"] == 0,
            "found": f"median {median:,.0f} of {', '.join(f'{r:,.0f}' for r in rates)}; p50 {found['p50']:.2f}, "
                     f"p99 {found['p99']:.2f}, p99.9 {found['p999']:.2f} ms, {found['failed']} failed"}


def both(bench):
    with bench.apus() as (_, broker):
        subprocess.run(  # the topic is there before the consumer asks for it
            command(bench, broker, "Producer", "-w", 1, "-q", 1), capture_output=True, timeout=60)
        consumer = subprocess.Popen(
            command(bench, broker, "Consumer", "-p", "false", "-q", bench.count + 1), stdout=subprocess.PIPE, text=True)
        sent = subprocess.run(
            command(bench, broker, "Producer", "-w", 256, "-s", 1024, "-q", bench.count), capture_output=True,
            text=True, timeout=180)
        try:
            output, _ = consumer.communicate(timeout=180)
        except subprocess.TimeoutExpired:
            consumer.kill()
            output, _ = consumer.communicate()
        sent, seen = figures(sent.stdout), figures(output)
    return {"wanted": "keeps up", "good": seen["rate"] >= 0.9 * sent["rate"],
            "found": f"{sent['rate']:,.0f} sent, {seen['rate']:,.0f} received messages/s, "
                     f"from birth to handler p50 {seen['p50']:.0f}, p99 {seen['p99']:.0f} ms"}
