"""The rows of the table: what each measures, and how."""

import collections
import json
import os
import subprocess
import sys

import harness

LOAD = os.path.join(harness.BUILD, "bench", "load")
TICK = os.sysconf("SC_CLK_TCK")
QUIET_LOOKS = 6  # in a row, 10 ms from each other
GIB = float(1 << 30)

# key, words of the table, unit, whether more is better, digits behind the point
Figure = collections.namedtuple("Figure", "key title unit more digits")

FIGURES = [
    Figure("up", "1 stream, up", "MB/s", True, 0),
    Figure("down", "1 stream, down", "MB/s", True, 0),
    Figure("up8", "8 streams, up", "MB/s", True, 0),
    Figure("down8", "8 streams, down", "MB/s", True, 0),
    Figure("least8", "8 streams, smallest share of a fair one", "", True, 2),
    Figure("most8", "8 streams, largest share of a fair one", "", False, 2),
    Figure("cpu_up", "CPU, 1 stream up", "s/GiB", False, 2),
    Figure("cpu_down", "CPU, 1 stream down", "s/GiB", False, 2),
    Figure("cpu_up8", "CPU, 8 streams up", "s/GiB", False, 2),
    Figure("cpu_down8", "CPU, 8 streams down", "s/GiB", False, 2),
    Figure("ping50", "1 byte there and back, p50", "µs", False, 0),
    Figure("ping90", "… p90", "µs", False, 0),
    Figure("ping99", "… p99", "µs", False, 0),
    Figure("cpu_ping", "… CPU of the tunnel", "µs", False, 0),
    Figure("one_ping50", "… all on one core, p50", "µs", False, 0),
    Figure("one_ping90", "… all on one core, p90", "µs", False, 0),
    Figure("one_ping99", "… all on one core, p99", "µs", False, 0),
    Figure("beside50", "1 byte there and back beside bulk, p50", "µs", False, 0),
    Figure("beside90", "… p90", "µs", False, 0),
    Figure("beside50_4", "… beside four streams of bulk, p50", "µs", False, 0),
    Figure("beside90_4", "… p90", "µs", False, 0),
    Figure("open50", "connect() to first byte, p50", "µs", False, 0),
    Figure("open99", "… p99", "µs", False, 0),
    Figure("cpu_open", "… CPU of the tunnel", "µs", False, 0),
    Figure("one_open50", "… all on one core, p50", "µs", False, 0),
    Figure("opens32", "streams per second, 32 at a time", "1/s", True, 0),
    Figure("burst", "2,000 streams at once", "s", False, 2),
    Figure("burst_failed", "… of them failed", "", False, 0),
    Figure("idle_memory", "memory per idle stream", "KiB", False, 1),
    Figure("slow_up", "50 ms away, 1 stream up", "MB/s", True, 2),
    Figure("slow_down", "… down", "MB/s", True, 2),
    Figure("slow_lossy_up", "… 1 % lost, up", "MB/s", True, 2),
    Figure("slow_lossy_down", "… 1 % lost, down", "MB/s", True, 2),
    Figure("slow_own_up", "… without HTTP/2, up", "MB/s", True, 2),
    Figure("slow_own_down", "… without HTTP/2, down", "MB/s", True, 2),
    Figure("slow_own_lossy_up", "… without HTTP/2, 1 % lost, up", "MB/s", True, 2),
    Figure("slow_own_lossy_down", "… without HTTP/2, 1 % lost, down", "MB/s", True, 2),
    Figure("many_failed", "{many} idle streams, failed", "", False, 0),
    Figure("many_cpu", "… CPU of the tunnel", "ms/s", False, 1),
    Figure("many_ping", "… ping-pong p50, by that without them", "", False, 2),
    Figure("many_open", "… connect p50, by that without them", "", False, 2),
]


def processor_seconds(pids):
    """CPU time of these processes, with threads and waited-for children that have ended."""
    total = 0
    for pid in pids:
        stat = harness.read_proc(pid, "stat")
        if stat:
            total += sum(map(int, stat.rpartition(b")")[2].split()[11:15]))
    return total / TICK


def memory_kib(pids):
    """Proportional set size: what is shared counts once."""
    total = 0
    for pid in pids:
        for line in harness.read_proc(pid, "smaps_rollup").splitlines():
            if line.startswith(b"Pss:"):
                total += int(line.split()[1])
    return total


class Pinned:
    """Within it, these processes and all their threads run on the first core only."""

    def __init__(self, pids):
        self.pids = pids
        self.all = os.sched_getaffinity(0)

    def __enter__(self):
        self.put({min(self.all)})

    def __exit__(self, *_):
        self.put(self.all)

    def put(self, cores):
        for pid in [0, *self.pids]:
            for task in os.listdir(f"/proc/{pid or 'self'}/task"):
                os.sched_setaffinity(int(task), cores)


class Bench:
    """One tunnel under measurement: each method is a row, and returns figures by key."""

    def __init__(self, world, tunnel, service, options, tunnels):
        self.world, self.tunnel, self.service, self.options = world, tunnel, service, options
        self.tunnels = tunnels

    def settle(self):
        """Waits until nobody works: some go on for a second with what their client has left."""
        pids = [self.service.pid, *(pid for tunnel in self.tunnels for pid in tunnel.pids())]
        seen = []

        def is_quiet():
            seen.append(processor_seconds(pids))
            return len(seen) > QUIET_LOOKS and seen[-1] == seen[-QUIET_LOOKS]

        harness.until(is_quiet, "quiet", 60)

    def load(self, verb, *rest, settle=True, **more):
        argv = [LOAD, verb, self.tunnel.host, str(self.tunnel.port), *map(str, rest)]
        if settle:
            self.settle()
        return self.world.start(argv, env=self.tunnel.env, **more)

    def result(self, process, seconds=120):
        status = process.wait(seconds)
        if status != 0:
            raise harness.Failure(f"{self.tunnel.name}: {' '.join(process.argv)}: {process.err}")
        return self.explained(json.loads(process.out))

    def explained(self, result):
        """A failure in a table is worth nothing without its reason."""
        if result.get("failed"):
            print(f"{self.tunnel.name}: {result['failed']} failed, the first: {result['why']}", file=sys.stderr)
            print(self.tunnel.complaints(), file=sys.stderr)
        return result

    def run(self, *words):
        """What load printed, and the seconds of CPU that the tunnel took meanwhile."""
        self.settle()
        before = processor_seconds(self.tunnel.pids())
        result = self.result(self.load(*words, settle=False))
        return result, processor_seconds(self.tunnel.pids()) - before

    def bulk(self, way, streams):
        result, cpu = self.run("bulk", way, self.options.seconds, streams)
        name = way if streams == 1 else f"{way}{streams}"
        figures = {name: result["bytes"] / 1e6 / result["seconds"]}
        if self.tunnel.processes:
            figures["cpu_" + name] = cpu / (result["bytes"] / GIB)
        if streams > 1:
            figures["least8"] = result["least"] * streams / result["bytes"]
            figures["most8"] = result["most"] * streams / result["bytes"]
        return figures

    def bulk1(self):
        return {**self.bulk("up", 1), **self.bulk("down", 1)}

    def bulk8(self):
        up, down = self.bulk("up", 8), self.bulk("down", 8)
        worst = {"least8": min(up["least8"], down["least8"]), "most8": max(up["most8"], down["most8"])}
        return {**up, **down, **worst}

    def ping(self):
        result, cpu = self.run("ping", self.options.seconds)
        figures = {f"ping{percent}": result[f"p{percent}"] for percent in (50, 90, 99)}
        if self.tunnel.processes:
            figures["cpu_ping"] = cpu * 1e6 / result["count"]
        with Pinned([*self.tunnel.pids(), self.service.pid]):
            result, _ = self.run("ping", self.options.seconds)
        figures.update({f"one_ping{percent}": result[f"p{percent}"] for percent in (50, 90, 99)})
        return figures

    def ping_beside(self, streams):
        """A keystroke during a dump."""
        self.settle()
        before = processor_seconds([self.service.pid])
        bulk = self.load("bulk", "down", 2 * self.options.seconds + 1, streams, settle=False)
        harness.until(lambda: processor_seconds([self.service.pid]) - before >= 2 / TICK, "bulk")
        result = self.result(self.load("ping", self.options.seconds, settle=False))
        if not bulk.alive():
            raise harness.Failure(f"{self.tunnel.name}: bulk ended before ping-pong: {bulk.err}")
        self.result(bulk)
        return result

    def beside(self):
        """More streams than a peer has threads, too: one thread more hides what a single dump costs."""
        one, four = self.ping_beside(1), self.ping_beside(4)
        return {"beside50": one["p50"], "beside90": one["p90"], "beside50_4": four["p50"], "beside90_4": four["p90"]}

    def open(self):
        result, cpu = self.run("open", 100000, 1, self.options.seconds)
        figures = {"open50": result["p50"], "open99": result["p99"]}
        if self.tunnel.processes:
            figures["cpu_open"] = cpu * 1e6 / result["opened"]
        with Pinned([*self.tunnel.pids(), self.service.pid]):
            result, _ = self.run("open", 100000, 1, self.options.seconds)
        figures["one_open50"] = result["p50"]
        return figures

    def opens(self):
        result, _ = self.run("open", 100000, 32, self.options.seconds)
        return {"opens32": result["opened"] / result["seconds"]}

    def burst(self):
        result, _ = self.run("open", 2000, 2000, 60)
        return {"burst": result["seconds"], "burst_failed": result["failed"]}

    def held(self, count, in_flight=64):
        """A load process that holds so many streams open, and what it said of opening them."""
        process = self.load("open", count, in_flight, 120, "hold", stdin=subprocess.PIPE)
        harness.until(lambda: process.out or not process.alive(), f"{count} streams", 150)
        if not process.alive():
            raise harness.Failure(process.err)
        return process, self.explained(json.loads(process.out))

    def release(self, process):
        process.popen.stdin.close()
        process.wait()

    def idle(self):
        """What the processes grow by; before the other rows, which leave room in their heaps."""
        count = 1000
        self.result(self.load("open", 100, 4, 10))
        before = memory_kib(self.tunnel.pids())
        process, result = self.held(count)
        grown = memory_kib(self.tunnel.pids()) - before
        self.release(process)
        if not self.tunnel.processes:
            return {}
        return {"idle_memory": grown / max(1, result["opened"])}

    def many(self):
        """Everything must cost as much with thousands of idle streams as without."""
        self.result(self.load("open", 100, 4, 10))
        ping = self.result(self.load("ping", self.options.seconds))["p50"]
        opened = self.result(self.load("open", 100000, 1, self.options.seconds))["p50"]
        process, result = self.held(self.options.many)
        figures = {
            "many_failed": result["failed"],
            "many_ping": self.result(self.load("ping", self.options.seconds))["p50"] / ping,
            "many_open": self.result(self.load("open", 100000, 1, self.options.seconds))["p50"] / opened,
        }
        if self.tunnel.processes:
            figures["many_cpu"] = self.idle_cpu()
        self.release(process)
        return figures

    def idle_cpu(self):
        """Milliseconds of CPU a second while nobody asks for anything."""
        before = processor_seconds(self.tunnel.pids())
        subprocess.run(["sleep", str(self.options.idle_seconds)], check=True)
        return (processor_seconds(self.tunnel.pids()) - before) * 1000 / self.options.idle_seconds


# Once, at the beginning; in every round; once, at the end, as they take long.
FIRST = ("idle",)
EVERY_ROUND = ("bulk1", "bulk8", "ping", "beside", "open", "opens")
LAST = ("burst", "many")
QUICK = FIRST + EVERY_ROUND + LAST
# In a world of its own, slow.py.
ALL = (*QUICK, "slow")
