"""Runs the load generator against the floor server and the broker in turn and prints the comparison (scripts/bench)."""
import argparse, contextlib, json, os, random, shutil, signal, socket, statistics, struct, subprocess, sys, tempfile, time

import clientrows
import featurerows
import recoveryrows
import storerows
import timerrows

DEADLINE = 20  # seconds a server may take to start or stop


class Failed(Exception):
    """What went wrong, for the reader."""


# ---- processes -------------------------------------------------------------------------------------------------


class Server:
    """A process started here; `ready_ms` is the time from exec to its first successful answer."""

    def __init__(self, name, command, port, probe, folder):
        self.name, self.port = name, port
        os.makedirs(folder, exist_ok=True)
        environment = dict(os.environ, HOME=folder, ROCKETMQ_LOG_DIR=os.path.join(folder, "logs"))
        for unwanted in ("ROCKETMQ_HOME", "NAMESRV_ADDR"):
            environment.pop(unwanted, None)
        self.log = os.path.join(folder, name + ".out")
        with open(self.log, "wb") as output:
            began = time.monotonic()
            self.process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment,
                start_new_session=True)
        try:
            self.wait_for(probe, began)
        except BaseException:
            self.stop()
            raise

    def wait_for(self, probe, began):
        while True:
            with contextlib.suppress(OSError):
                if ask(self.port, probe)[0] == 0:
                    self.ready_ms = (time.monotonic() - began) * 1000
                    return
            if self.process.poll() is not None or time.monotonic() - began > DEADLINE:
                with open(self.log, errors="replace") as text:
                    raise Failed(f"{self.name} did not start; it said:\n{text.read()[-2000:]}")
            time.sleep(0.0005)

    @property
    def pid(self):
        return self.process.pid

    def cpu_seconds(self):
        return time.clock_gettime((~self.pid << 3) | 2)  # the process's CPU clock

    def memory_kib(self, field):
        with open(f"/proc/{self.pid}/status") as text:
            return next(int(line.split()[1]) for line in text if line.startswith(field + ":"))

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


def ask(port, code):
    """One remoting request without fields; the answer's code, header and body."""
    header = json.dumps({"code": code, "flag": 0, "language": "JAVA", "opaque": 1, "version": 479,
                         "serializeTypeCurrentRPC": "JSON"}).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(struct.pack(">II", 4 + len(header), len(header)) + header)
        head = receive(connection, 8)
        total, header_length = struct.unpack(">II", head)
        rest = receive(connection, total - 4)
        split = header_length & 0xFFFFFF
        return json.loads(rest[:split])["code"], rest[:split], rest[split:]


def receive(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise ConnectionError("closed")
        data += piece
    return data


def free_port():
    """A port P with P-2 and P+1 free too, below the range of outgoing connections."""
    for _ in range(1000):
        port = random.randrange(12000, 32000)
        try:
            for near in (port - 2, port, port + 1):
                with socket.socket() as probe:
                    probe.bind(("0.0.0.0", near))
        except OSError:
            continue
        return port
    raise Failed("no free port")


class Bench:
    def __init__(self, options):
        self.options = options
        self.work = tempfile.mkdtemp(prefix="bench.", dir=options.work)
        self.rounds = 3
        self.seconds, self.warmup = (1, 0.5) if options.quick else (4, 1)
        self.count = 200_000 if options.quick else 1_000_000
        self.samples = []
        self.ready = {"name server": [], "broker": []}
        self.number = 0

    def folder(self):
        self.number += 1
        path = os.path.join(self.work, str(self.number))
        os.makedirs(path)
        return path

    @contextlib.contextmanager
    def floor(self, sync=False):
        """A floor server of its own; yields (address options for mqbench, server)."""
        folder, port = self.folder(), free_port()
        command = [os.path.join(self.options.bench, "floor"), "--port", str(port), "--dir", os.path.join(folder, "f")]
        with self.running(folder):
            server = Server("floor", command + (["--sync"] if sync else []), port, 106, folder)
            with stopping(server):
                yield ["--broker", f"127.0.0.1:{port}"], server

    @contextlib.contextmanager
    def apus(self, sync=False, **keys):
        """A name server and a broker of their own; `keys` go into the broker's file."""
        folder, name_port, port = self.folder(), free_port(), free_port()
        name_conf, broker_conf = os.path.join(folder, "namesrv.conf"), os.path.join(folder, "broker.conf")
        write(name_conf, {"listenPort": name_port})
        write(broker_conf, {
            "brokerClusterName": "DefaultCluster", "brokerName": "broker-a", "brokerId": 0, "brokerRole": "ASYNC_MASTER",
            "flushDiskType": "SYNC_FLUSH" if sync else "ASYNC_FLUSH", "listenPort": port, "brokerIP1": "127.0.0.1",
            "namesrvAddr": f"127.0.0.1:{name_port}", "storePathRootDir": os.path.join(folder, "store"),
            "deleteWhen": "04", "fileReservedTime": 48, **keys})
        with self.running(folder):
            command = [os.path.join(self.options.apus, "mqnamesrv"), "-c", name_conf]
            with stopping(Server("mqnamesrv", command, name_port, 106, folder)) as names:
                command = [os.path.join(self.options.apus, "mqbroker"), "-c", broker_conf]
                with stopping(Server("mqbroker", command, port, 28, folder)) as broker:
                    self.ready["name server"].append(names.ready_ms)
                    self.ready["broker"].append(broker.ready_ms)
                    broker.name_server = names
                    broker.store = os.path.join(folder, "store")
                    broker.command, broker.folder = command, folder
                    yield ["--broker", f"127.0.0.1:{port}"], broker

    def start_again(self, broker):
        """Starts a broker that ended, with the same files and port; `broker` is it from now on."""
        broker.__init__("mqbroker", broker.command, broker.port, 28, broker.folder)

    @contextlib.contextmanager
    def running(self, folder):
        try:
            yield
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def load(self, mode, where, server, *arguments, nice=0):
        """One mqbench run; its JSON. `nice`: how far the generator yields to others."""
        self.number += 1
        path = os.path.join(self.work, f"result-{self.number}.json")
        command = [os.path.join(self.options.bench, "mqbench"), mode, *where, "--watch", str(server.pid), "--json", path]
        if nice:
            command = ["nice", "-n", str(nice), *command]
        done = subprocess.run(
            command + [str(a) for a in arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180)
        if not os.path.exists(path):
            raise Failed(f"mqbench {mode} failed: {done.stderr.strip()}")
        with open(path) as text:
            return json.load(text)

    # ---- rows

    def row(self, name, target, arguments, sync=False):
        """Floor and broker in turn, `rounds` times, each in a fresh process and folder."""
        if self.options.only not in name:
            return None
        results = {"floor": [], "apus": []}
        arguments = [*arguments, "--duration", self.seconds, "--warmup", self.warmup]
        for _ in range(self.rounds):
            for kind in self.kinds:
                with getattr(self, kind)(sync) as (where, server):
                    results[kind].append(self.load("produce", where, server, *arguments))
        say(f"  {name}: done")
        return self.keep(name, target, "produce", results)

    @property
    def kinds(self):
        return ["floor"] if self.options.floor_only else ["floor", "apus"]

    def drain(self, name):
        """A backlog read `rounds` times, 32 messages a pull."""
        if self.options.only not in name:
            return None
        results = {"floor": [], "apus": []}
        with contextlib.ExitStack() as stack:
            servers = {kind: stack.enter_context(getattr(self, kind)()) for kind in self.kinds}
            # The floor's file holds fewer; its rate does not depend on how many. One drain makes the file.
            counts = {"floor": min(self.count, 800_000), "apus": self.count}
            for kind, (where, server) in servers.items():
                if kind == "floor":
                    self.load("consume", where, server, "--count", counts[kind], "--connections", 8)
                else:
                    self.load("produce", where, server, "--count", counts[kind])
            for _ in range(self.rounds):
                for kind, (where, server) in servers.items():
                    arguments = ["--count", counts[kind], "--connections", 8, "--from", "min"]
                    results[kind].append(self.load("consume", where, server, *arguments))
        say(f"  {name}: done")
        return self.keep(name, ("rate", 0.5), "consume", results)

    def keep(self, name, target, side, results):
        row = {"name": name, "target": target}
        for kind, runs in results.items():
            if not runs:
                continue
            middle = lambda value: statistics.median(value(run) for run in runs)
            trouble = [run[side] for run in runs]
            row[kind] = {
                "rate": middle(lambda run: run[side]["messagesPerSecond"]),
                "cpu": middle(lambda run: run["processes"][0]["microsecondsPerMessage"]),
                "p99": middle(lambda run: run[side]["latency"]["p99"]),
                "p99.9": middle(lambda run: run[side]["latency"]["p99.9"]),
                "errors": sum(sum(t["errors"].values()) + t["unanswered"] + t["gaps"] + t["corrupt"] for t in trouble),
                "runs": runs,
            }
        self.samples.append(row)
        return row

    def idle(self):
        """Memory and CPU of a name server and a broker that nobody talks to."""
        seconds = 3 if self.options.quick else 10
        with self.apus() as (_, broker):
            time.sleep(2)
            parts = {"name server": broker.name_server, "broker": broker}
            before = {name: server.cpu_seconds() for name, server in parts.items()}
            began = time.monotonic()
            time.sleep(seconds)
            passed = time.monotonic() - began
            return {
                name: {
                    "cpu_percent": (server.cpu_seconds() - before[name]) / passed * 100,
                    "anonymous_mib": server.memory_kib("RssAnon") / 1024,
                    "file_mib": server.memory_kib("RssFile") / 1024,
                    "resident_mib": server.memory_kib("VmRSS") / 1024,
                    "ready_ms": statistics.median(self.ready[name]),
                } for name, server in parts.items()
            }


@contextlib.contextmanager
def stopping(server):
    try:
        yield server
    finally:
        server.stop()


def write(path, keys):
    with open(path, "w") as text:
        text.writelines(f"{key}={value}\n" for key, value in keys.items())


def say(line):
    print(line, file=sys.stderr, flush=True)


# ---- tables ------------------------------------------------------------------------------------------------------


def verdict(good):
    return "yes" if good else "**no**"


def print_rows(rows):
    print("| load | floor msg/s | apus msg/s | of floor | floor µs/msg | apus µs/msg | of floor "
          "| floor p99.9 ms | apus p99.9 ms | wanted | reached |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---|---|")
    for row in rows:
        floor, apus = row["floor"], row.get("apus")
        cells = [row["name"], f"{floor['rate']:,.0f}"]
        wanted = {"rate": lambda limit: f"≥ {limit:.0%} msg/s", "cpu": lambda limit: f"≤ {limit} × CPU",
                  "async": lambda limit: f"≥ {limit:.0%} msg/s, ≤ 2.5 µs, p99.9 < 5 ms", "tail": lambda limit: f"p99.9 < {limit} ms"}
        kind, limit = row["target"]
        if apus is None:
            cells += ["", "", f"{floor['cpu']:.2f}", "", "", f"{floor['p99.9']:.2f}", "", wanted[kind](limit), ""]
        else:
            rate, cpu = apus["rate"] / floor["rate"], apus["cpu"] / floor["cpu"]
            good = {"rate": rate >= limit, "cpu": cpu <= limit, "tail": apus["p99.9"] < limit,
                    "async": rate >= limit and apus["cpu"] <= 2.5 and apus["p99.9"] < 5}[kind]
            good = good and apus["errors"] == 0
            cells += [f"{apus['rate']:,.0f}", f"{rate:.0%}", f"{floor['cpu']:.2f}", f"{apus['cpu']:.2f}", f"{cpu:.2f} ×",
                      f"{floor['p99.9']:.2f}", f"{apus['p99.9']:.2f}", wanted[kind](limit), verdict(good)]
            if apus["errors"]:
                cells[-1] += f" ({apus['errors']} errors)"
        print("| " + " | ".join(cells) + " |")


def print_idle(idle):
    limits = {"name server": 15, "broker": 30}
    print("| process | ready ms (≤ 150) | idle RssAnon MiB | wanted | RssFile MiB | idle CPU % of a core (≤ 0.3) | reached |")
    print("|---|---:|---:|---:|---:|---:|---|")
    for name, found in idle.items():
        good = found["ready_ms"] <= 150 and found["anonymous_mib"] <= limits[name] and found["cpu_percent"] <= 0.3
        print(f"| {name} | {found['ready_ms']:.1f} | {found['anonymous_mib']:.1f} | ≤ {limits[name]} "
              f"| {found['file_mib']:.1f} | {found['cpu_percent']:.2f} | {verdict(good)} |")


def main():
    parser = argparse.ArgumentParser()
    for name in ("apus", "bench", "work", "results"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--floor-only", action="store_true")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for name in ("work", "results", "apus", "bench"):
        setattr(options, name, os.path.abspath(getattr(options, name)))
    bench = Bench(options)
    try:
        run(bench, options)
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        shutil.rmtree(bench.work, ignore_errors=True)


def run(bench, options):
    load_before = os.getloadavg()[0]
    rows = [bench.row(f"async, {c} × window 32", ("async", 0.5), ["--connections", c, "--window", 32]) for c in (16, 64)]
    rows += [bench.row("async, 64 connections, 100,000/s open loop", ("tail", 5),
                       ["--connections", 64, "--window", 32, "--rate", 100_000])]
    rows += [bench.row(f"closed loop, {c} × window 1", ("cpu", 1.5), ["--connections", c, "--window", 1])
             for c in (1, 16, 64)]
    rows += [bench.row(f"sync flush, 64 × window {w}", ("rate", 0.7), ["--connections", 64, "--window", w], sync=True)
             for w in (1, 8)]
    rows += [bench.drain("drain a backlog, 32 a pull")]
    rows = [row for row in rows if row]
    store = [] if options.floor_only else (
        storerows.measure(bench, options, ask, say) + recoveryrows.measure(bench, options, ask, say)
        + featurerows.measure(bench, options, ask, say) + timerrows.measure(bench, options, ask, say)
        + clientrows.measure(bench, options, say))
    idle = None if options.floor_only or options.only not in "idle" else bench.idle()
    print(f"1 KiB bodies, medians of {bench.rounds} runs of {bench.seconds} s, floor and broker in turn, "
          f"{os.cpu_count()} cores shared with the load generator; load average before {load_before:.1f}.\n")
    if rows:
        print_rows(rows)
    if store:
        print()
        storerows.show(store, verdict)
    if idle:
        print()
        print_idle(idle)
    name = time.strftime("bench-%Y%m%d-%H%M%S.json")
    with open(os.path.join(options.results, name), "w") as text:
        json.dump({"rows": bench.samples, "store": store, "idle": idle, "ready": bench.ready}, text)


main()
