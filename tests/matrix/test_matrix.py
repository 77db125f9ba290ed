#!/usr/bin/env python3
"""Every client in clients/ against its service, when all is well and when something is not.

Each cell of the matrix is one test: a client under the preload, a real relay,
a real agent, and a real service behind them.  At the end the matrix is printed
for people.  A cell says how long the client ran, its own start included.
"""

import concurrent.futures
import contextlib
import itertools
import os
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import client  # noqa: E402 (found only now, like what follows)
import delay  # noqa: E402
import servers  # noqa: E402
import services  # noqa: E402
import tap  # noqa: E402
from harness import SLOWNESS, World, main  # noqa: E402

MANY = 100
AT_A_TIME = 4  # cells that run side by side
ROUND_TRIP = 0.4
CONNECT_TIMEOUT = 2


class Case:
    """A column: which application side, which host, and what the client must say."""

    def __init__(self, app, host, says, at_least=0.0, count=1):
        self.app = app
        self.host = host
        self.says = says  # name of the Client's regular expression
        self.at_least = at_least  # seconds; less means that it cannot have been so
        self.count = count


CASES = {
    "connects": Case("near", "{service}.corp", "prints"),
    "agent down": Case("near", "down.corp", "refused"),
    "target refuses": Case("near", "refuses.corp", "refused"),
    "target silent": Case("hasty", "silent.corp", "timed_out", at_least=CONNECT_TIMEOUT),
    "relay 400 ms away": Case("far", "{service}.corp", "prints", at_least=ROUND_TRIP),
    "100 at once": Case("near", "{service}.corp", "prints", count=MANY),
}

CLIENTS = {one.name: one for one in client.load()}


class Matrix:
    """The services, the ways to them, and how each cell went."""

    def __init__(self, world, wanted):
        self.world = world
        self.wanted = wanted  # (client's name, case's name) of the cells to run
        self.cells = {}  # the same: what the table says
        self.starting = threading.Lock()  # the harness numbers what it starts
        self.runs = itertools.count()
        names = sorted({CLIENTS[name].service for name, _ in wanted})
        self.services = services.start(world, names)
        self._build_ways()

    def _build_ways(self):
        """The relay, the agents, and an application's side for each kind of case."""
        troubles = ("down", "refuses", "silent")
        relay = self.world.relay([*self.services, *troubles])
        targets = {name: service.at for name, service in self.services.items()}
        targets["refuses"] = self.world.background(servers.refusing())
        targets["silent"] = self.world.background(servers.silent()).at
        self.world.agent(relay, targets)
        self.world.agent(relay, {"down": target_nobody_asks()}).stop()
        hosts = {name: f"{name}.corp:{services.PORTS[name]}" for name in self.services}
        hosts.update({name: f"{name}.corp:*" for name in troubles})
        far = self.world.background(delay.Delay(relay.port, ROUND_TRIP / 2))
        hasty = {"HYBRIDGE_CONNECT_TIMEOUT": f"{CONNECT_TIMEOUT}s"}
        self.apps = {
            "near": self.world.app(relay, hosts),
            "hasty": self.world.app(relay, hosts, **hasty),
            "far": self.world.app(relay, hosts, port=far.port),
        }
        for app in self.apps.values():
            app.sender()

    def begin(self, pool):
        """Hands the clients' preparation and the single cells to the pool, in the tests' order."""
        names = {name for name, _ in self.wanted}
        self.ready = {
            name: pool.submit(CLIENTS[name].prepare, self.world.path("client-" + name))
            for name in sorted(names)
        }
        self.singles = {
            cell: pool.submit(self.run, *cell)
            for cell in self.wanted
            if CASES[cell[1]].count == 1
        }

    def result(self, cell):
        """Waits for the cell's run; raises what went wrong there."""
        self.cells[cell] = "FAILED"
        try:
            if cell in self.singles:
                self.cells[cell] = self.singles[cell].result()
            else:
                # Alone on the machine, so that it is about the hundred.
                concurrent.futures.wait(self.singles.values())
                self.cells[cell] = self.run(*cell)
        except tap.Skip:
            self.cells[cell] = "skipped"
            raise

    def run(self, name, case_name):
        """Runs one cell; returns what the table says about it."""
        self.ready[name].result()
        one, case = CLIENTS[name], CASES[case_name]
        if self.services[one.service].unusable:
            tap.skip(self.services[one.service].unusable)
        words = {
            "host": case.host.format(service=one.service),
            "port": services.PORTS[one.service],
            "count": case.count,
            **self.services[one.service].words,
        }
        processes = 1 if one.counts else case.count
        started = time.monotonic()
        programs = [self._start(one, case, words) for _ in range(processes)]
        for program in programs:
            program.status = program.wait(30 * SLOWNESS)
        seconds = time.monotonic() - started
        times = 1 if one.once else case.count // processes
        for program in programs:
            judge(program, one, case, times)
        assert seconds >= case.at_least, f"it was over after {seconds:.3f} s: {told(programs[0])}"
        return f"{seconds * 1000:.0f} ms"

    def _start(self, one, case, words):
        with self.starting:
            cwd = self.world.path(f"run-{next(self.runs)}")
            os.mkdir(cwd)
            return self.apps[case.app].start(one.command(words), cwd=cwd)

    def table(self):
        """The lines of the matrix, for people."""
        rows = [["client", *CASES, ""]]
        for name, one in CLIENTS.items():
            if any((name, case) in self.cells for case in CASES):
                cells = [self.cells.get((name, case), "") for case in CASES]
                rows.append([name, *cells, one.about])
        widths = [max(map(len, column)) for column in zip(*rows)]
        for first, *cells, last in rows:
            aligned = [cell.rjust(width) for cell, width in zip(cells, widths[1:])]
            yield "  ".join([first.ljust(widths[0]), *aligned, last]).rstrip()


def target_nobody_asks():
    """A target for an agent that is stopped before anybody comes."""
    return (servers.LOOPBACK, servers.free_port())


def told(program):
    return f"status {program.status}, {program.out!r}, {program.err!r}"


def judge(program, one, case, times):
    """What the client says must be what has happened, no more and no less."""
    text = program.out + program.err
    success = case.says == "prints"
    expected = getattr(one, case.says)
    found = len(re.findall(expected, text))
    assert found >= times, f"{expected!r} {found} times instead of {times}: {told(program)}"
    assert (program.status == 0) == success and program.status >= 0, told(program)
    assert success or not re.search(one.prints, text), f"it connected: {told(program)}"


def cell_tests():
    """{(client, case): its test function}, all cells; the words of the command line choose."""
    found = {}
    for name in CLIENTS:
        for case in CASES:
            title = f"test_{name}: {case}"
            if not sys.argv[1:] or any(word in title for word in sys.argv[1:]):

                def test(cell=(name, case)):
                    Here.matrix.result(cell)

                test.__name__ = title
                found[name, case] = test
    return found


class Here:
    """What the tests share."""


if __name__ == "__main__":
    tests = cell_tests()
    globals().update((one.__name__, one) for one in tests.values())
    with World() as world, contextlib.ExitStack() as leave:
        pool = leave.enter_context(concurrent.futures.ThreadPoolExecutor(AT_A_TIME))
        leave.callback(pool.shutdown, cancel_futures=True)
        Here.matrix = Matrix(world, list(tests))
        Here.matrix.begin(pool)
        try:
            main()
        finally:
            for line in Here.matrix.table():
                print("#", line)
