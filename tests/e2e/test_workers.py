#!/usr/bin/env python3
"""A relay whose streams are on several threads."""

import os
import re
import signal
import urllib.request

import clients
import harness
import servers
import transfer
from harness import HERE, PYTHON, SLOWNESS, World, main, open_files, until
from test_many import open_many, use_all

# Here the keys decide, not the environment of the run.
harness.CLEAN_ENV.pop("HYBRIDGE_HTTP2", None)

MIB = 1 << 20
WORKERS = 3
MANY = 60 if SLOWNESS < 10 else 12
SIZE = 64 << 10
DIGEST = 64  # bytes of an answer

# How senders and agents reach the relay: a connection for each stream, or sessions.
MODES = {"a connection each": "off", "shared sessions": "on"}


def listening_ports(pid):
    """The TCP ports of 127.0.0.1 that a process listens on."""
    inodes = set(re.findall(r"socket:\[(\d+)\]", "\n".join(open_files(pid))))
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    return {int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A" and row[9] in inodes}


class Path:
    """A whole path through a relay with workers."""

    def __init__(self, world, at, http2, **keys):
        options = {
            "HYBRIDGE_RELAY_WORKERS": str(WORKERS),
            "HYBRIDGE_STATUS_LISTEN": "127.0.0.1:0",
            **keys,
        }
        self.world, self.http2 = world, http2
        self.relay = world.relay(["db"], **options)
        self.agent = world.agent(self.relay, {"db": at}, HYBRIDGE_HTTP2=http2)
        self.app = self.more()

    def more(self):
        """One more application's side, with a sender of its own."""
        app = self.world.app(self.relay, {"db": "db.corp:5432"}, HYBRIDGE_HTTP2=self.http2)
        app.daemon = app.sender()
        return app

    def metrics(self):
        """{name and labels: value} of the relay."""
        (port,) = listening_ports(self.relay.pid) - {self.relay.port}
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        samples = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in samples}

    def loads(self):
        metrics = self.metrics()
        name = 'hybridge_relay_worker_load{worker="%d"}'
        return [metrics[name % (i + 1)] for i in range(WORKERS)]

    def streams(self):
        return self.metrics()['hybridge_relay_streams{hc="db"}']

    def carried(self):
        """Payload in bytes: (from senders, from listeners)."""
        metrics = self.metrics()
        name = 'hybridge_relay_bytes_total{hc="db",from="%s"}'
        return metrics[name % "sender"], metrics[name % "listener"]


def each_mode(test):
    """Runs a test of a path through each of MODES."""

    def run():
        for name, http2 in MODES.items():
            print("#", name)
            test(http2)

    run.__name__ = test.__name__
    return run


def warmed(path, target, count=3):
    """The first streams have a connection each; behind them sessions are opened."""
    for _ in range(count):
        use_all(open_many(path.app, 1, SIZE), 1)
    return target.accepted


@each_mode
def test_many_streams_at_once_carry_their_own_bytes_and_every_byte_is_counted(http2):
    with servers.digest() as target, World() as world:
        path = Path(world, target.at, http2)
        before = warmed(path, target)
        program = open_many(path.app, MANY, SIZE)
        until(lambda: path.streams() == MANY, f"{MANY} streams")
        assert sum(path.loads()) >= MANY, path.loads()
        use_all(program, MANY)
        until(lambda: path.streams() == 0, "the streams' end")
        total = MANY + before
        assert path.carried() == (total * SIZE, total * DIGEST), path.carried()
        assert target.accepted == total


def test_connections_are_spread_evenly_over_the_workers():
    with servers.digest() as target, World() as world:
        path = Path(world, target.at, "off")
        program = open_many(path.app, MANY, SIZE)
        loads = path.loads()
        assert max(loads) - min(loads) <= 1, loads
        use_all(program, MANY)
        until(lambda: path.loads() == [0] * WORKERS, "no load")


def test_sessions_are_spread_evenly_over_the_workers():
    with servers.digest() as target, World() as world:
        path = Path(world, target.at, "on")
        apps = [path.app] + [path.more() for _ in range(WORKERS - 1)]
        for app in apps * 3:
            use_all(open_many(app, 1, SIZE), 1)
        few = MANY // WORKERS
        programs = [open_many(app, few, SIZE) for app in apps]
        loads = path.loads()
        # Each sender has a session, and so has the agent with each worker.
        assert min(loads) >= few, loads
        for program in programs:
            use_all(program, few)


@each_mode
def test_bytes_that_are_under_way_are_counted_before_the_stream_ends(http2):
    with World() as world:
        target = transfer.listen(world, "-a", "-p", MIB)
        path = Path(world, target.at, http2)
        program = transfer.connect(path.app, "-s", transfer.ENDLESS)
        target.line("progress")
        assert path.streams() == 1
        # They are counted when they have been passed on.
        until(lambda: path.carried()[0] >= MIB, "a MiB in the count")
        program.kill()
        target.line("end")


@each_mode
def test_a_transfer_arrives_whole_in_both_directions_through_workers(http2):
    size = 32 * MIB if SLOWNESS == 1 else 4 * MIB
    rounds = 3
    with World() as world:
        target = transfer.listen(world, "-s", size, "-n", rounds)
        path = Path(world, target.at, http2)
        for number in range(rounds):
            program = transfer.connect(path.app, "-s", size)
            near = program.line("end", 3 * harness.DEADLINE)
            ends = until(lambda n=number: ended(target)[n:], "the target's end")
            transfer.expect_whole(near, ends[0], size, size)


def ended(target):
    return [line for line in target.lines if "end" in line]


@each_mode
def test_a_reload_in_the_middle_of_a_stream_does_not_touch_it(http2):
    with servers.digest() as target, World() as world:
        path = Path(world, target.at, http2)
        warmed(path, target)
        program = open_many(path.app, 5, SIZE)
        for number in range(3):
            path.relay.signal(signal.SIGHUP)
            until(lambda n=number: path.relay.err.count("reloaded") > n, "the reload")
        use_all(program, 5)
        use_all(open_many(path.app, 5, SIZE), 5)


@each_mode
def test_a_relay_that_drains_lets_streams_end_and_leaves(http2):
    with servers.digest() as target, World() as world:
        path = Path(world, target.at, http2, HYBRIDGE_RELAY_DRAIN="60s")
        warmed(path, target)
        program = open_many(path.app, 5, SIZE)
        path.relay.signal(signal.SIGTERM)
        path.relay.wait_log("stopping")
        assert clients.outcome(path.app, "blocking", "db.corp", 5432)["errno"] != ""
        use_all(program, 5)
        assert path.relay.wait() == 0


@each_mode
def test_a_relay_that_is_out_of_patience_resets_streams_and_leaves(http2):
    with World() as world:
        target = transfer.listen(world, "-s", transfer.ENDLESS, "-p", MIB)
        path = Path(world, target.at, http2, HYBRIDGE_RELAY_DRAIN="0ms")
        program = transfer.connect(path.app, "-s", transfer.ENDLESS, "-p", MIB)
        program.line("progress")
        assert path.relay.stop() == 0
        for end in transfer.ends(program, target):
            assert end["end"] == "ECONNRESET" and not end["eof"], end
        path.relay.wait_log("session closed.*end=stopped")


@each_mode
def test_a_killed_relay_with_workers_resets_its_streams(http2):
    with World() as world:
        target = transfer.listen(world, "-s", transfer.ENDLESS, "-p", MIB)
        path = Path(world, target.at, http2)
        program = transfer.connect(path.app, "-s", transfer.ENDLESS, "-p", MIB)
        program.line("progress")
        path.relay.kill()
        for end in transfer.ends(program, target):
            assert end["end"] == "ECONNRESET" and not end["eof"], end


@each_mode
def test_programs_that_leave_at_any_moment_leave_nothing_behind(http2):
    rounds = 6 if SLOWNESS == 1 else 3
    with servers.echo() as target, World() as world:
        path = Path(world, target.at, http2)
        for _ in range(3):
            clients.expect_echo(path.app, "db.corp", 5432)
        script = os.path.join(HERE, "leaving_client.py")
        leavers = [
            path.app.start([PYTHON, script, "db.corp", "5432", str(rounds * 10), str(seed)])
            for seed in range(3)
        ]
        for leaver in leavers:
            assert leaver.line("left")["left"] == rounds * 10
            assert leaver.wait() == 0, leaver.err
        until(lambda: path.streams() == 0, "the streams' end")
        waiting = 'hybridge_relay_waiting_senders{hc="db"}'
        until(lambda: path.metrics()[waiting] == 0, "nobody waits")
        clients.expect_echo(path.app, "db.corp", 5432)


if __name__ == "__main__":
    main()
