"""Rows about kinds of messages and of consuming that have no floor to be compared with: SQL92 filters, pops with their acks,
transactions (scripts/bench)."""


def measure(bench, options, ask, say):
    """The rows that `--only` names, as dictionaries: name, wanted, found, good."""
    rows = []
    for name, row in (("SQL92: drain, half of it wanted", sql), ("SQL92: the same drain without a filter", plain),
                      ("pop and ack, 8 consumers, 32 a pop", pop),
                      ("pop and ack, 8 consumers, 32 a pop, sync flush", lambda bench, ask: pop(bench, ask, sync=True)),
                      ("transactions, 16 × window 32", transactions)):
        if options.only in name:
            rows.append(dict(row(bench, ask), name=name))
            say(f"  {name}: done")
    return rows


def trouble(side):
    return sum(side["errors"].values()) + side["unanswered"] + side["gaps"] + side["corrupt"]


def described(found, side, per, count=None):
    """Rate and CPU; `count` when more is looked at than comes out."""
    errors = trouble(found[side])
    factor = 1 if count is None else found[side]["messages"] / count
    rate = found[side]["messagesPerSecond"] / factor
    return {"wanted": "0 errors", "good": errors == 0,
            "found": f"{rate:,.0f} {per}/s, {found['processes'][0]['microsecondsPerMessage'] * factor:.2f} µs of CPU each, "
                     f"p99 {found[side]['latency']['p99']:.2f} ms, {errors} errors"}


EXPRESSION = "color = 'blue' AND weight BETWEEN 3 AND 9 OR size IS NULL AND region IN ('north','south')"


def sql(bench, ask):
    """Half of the messages are wanted; the broker looks at all of them."""
    half = bench.count // 2
    with bench.apus(enablePropertyFilter="true") as (where, broker):
        fill(bench, where, broker, half)
        found = bench.load("consume", where, broker, "--count", half, "--connections", 8, "--from", "min", "--sql", EXPRESSION)
    return described(found, "consume", "messages looked at", 2 * half)


def plain(bench, ask):
    """The same messages without a filter, to compare with."""
    half = bench.count // 2
    with bench.apus() as (where, broker):
        fill(bench, where, broker, half)
        found = bench.load("consume", where, broker, "--count", 2 * half, "--connections", 8, "--from", "min")
    return described(found, "consume", "messages")


def fill(bench, where, broker, half):
    for color in ("red", "blue"):
        bench.load("produce", where, broker, "--count", half, "--size", 256, "--property", f"color={color}", "--property",
                   "weight=5", "--property", "size=big")


def pop(bench, ask, sync=False):
    """A backlog popped by 8 consumers, each message acknowledged by a request of its own."""
    count = bench.count // (8 if sync else 2)
    with bench.apus(sync=sync) as (where, broker):
        bench.load("produce", where, broker, "--count", count, "--size", 256)
        found = bench.load("consume", where, broker, "--count", count, "--connections", 8, "--pop", "--no-create")
    return described(found, "consume", "messages popped and acknowledged")


def transactions(bench, ask):
    """Half messages and their commits; one counts when its commit is answered."""
    with bench.apus() as (where, broker):
        found = bench.load("produce", where, broker, "--connections", 16, "--window", 32, "--transactions", "--duration",
                           bench.seconds, "--warmup", bench.warmup)
    return described(found, "produce", "transactions (two answers each)")
