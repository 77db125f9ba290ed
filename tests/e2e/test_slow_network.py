#!/usr/bin/env python3
"""What a stream costs where each round trip is slow: they are counted, on the way to the relay.

A proxy between program's side and relay, and another between relay and agent, note who
spoke in turn: "><" is one round trip.  That of TCP comes before, one for each connection.

And bytes cross a wire that loses packets as they cross any other.
"""

import contextlib
import itertools
import re
import subprocess

import delay
import servers
import slow_wire
import tap
import transfer
from harness import CLEAN_ENV, PYTHON, World, main, until

CLEAN_ENV.pop("HYBRIDGE_HTTP2", None)

# Connects, says so, and stays until its standard input ends.
CONNECT = """
import socket, sys
one = socket.create_connection(("db.corp", 5432))
print("connected", flush=True)
sys.stdin.read()
"""

# TLS 1.3 and an upgrade: ClientHello, ServerHello to Finished; Finished with the request, 101.
FRESH = "><><"


class Legs:
    """A world with a proxy on both of the relay's sides."""

    def __init__(self, world, target, keys):
        relay = world.relay(["db"])
        self.sender_leg = world.background(delay.Delay(relay.port, 0))
        self.agent_leg = world.background(delay.Delay(relay.port, 0))
        listen = relay.connection("db", "listen", port=self.agent_leg.port)
        world.agent(relay, {"db": target.at}, strings={"db": listen}, **keys)
        self.app = world.app(relay, {"db": "db.corp:5432"}, port=self.sender_leg.port, **keys)
        self.app.sender()

    @contextlib.contextmanager
    def stream(self):
        """A stream that has just been opened, and stays open within the block."""
        program = self.app.start([PYTHON, "-c", CONNECT], stdin=subprocess.PIPE)
        until(lambda: program.out or not program.alive(), "the connection")
        assert program.out.strip() == "connected", program.err
        yield
        program.popen.stdin.close()
        assert program.wait() == 0, program.err


    def connections(self):
        return self.sender_leg.connections, self.agent_leg.connections


# A connection for each stream, as with Azure.
OWN = {"HYBRIDGE_HTTP2": "off"}
SHARED = {"HYBRIDGE_HTTP2": "on"}


@contextlib.contextmanager
def legs(keys):
    with servers.echo() as target, World() as world:
        yield Legs(world, target, keys)


def test_the_first_stream_takes_two_round_trips_beside_tcp_to_the_relay():
    for keys in (OWN, SHARED):
        with legs(keys) as both, both.stream():
            assert both.sender_leg.flights[0] == FRESH, both.sender_leg.flights


def test_a_stream_over_a_warm_connection_takes_one_round_trip_to_the_relay():
    with legs(OWN) as both:
        with both.stream():
            # Its TLS is done when the session tickets have come.
            warm = until(
                lambda: [i for i, one in enumerate(both.sender_leg.flights) if i and one == FRESH],
                "a warm connection",
            )
        before = len(warm)
        with both.stream():
            used = [both.sender_leg.flights[i] for i in warm if both.sender_leg.flights[i] != FRESH]
        assert (before, used) == (1, [FRESH + "><"]), both.sender_leg.flights


def test_the_agent_takes_two_round_trips_beside_tcp_after_the_relay_has_asked():
    with legs(OWN) as both:
        assert both.agent_leg.connections == 1, "the control channel alone"
        with both.stream():
            # The relay joins the streams at the agent's request, and need not wait for its answer's arrival.
            rendezvous = both.agent_leg.flights[1:]
            assert len(rendezvous) == 1, both.agent_leg.flights
            # Where the target answers after TLS is done, the session tickets come in between.
            assert (FRESH + "><").startswith(rendezvous[0]), both.agent_leg.flights
            assert rendezvous[0].startswith("><>"), both.agent_leg.flights


def test_a_stream_over_shared_connections_takes_one_round_trip_on_each_side():
    with legs(SHARED) as both, contextlib.ExitStack() as streams:

        def needs_no_connection():
            before = both.connections()
            streams.enter_context(both.stream())
            return both.connections() == before

        # The first streams teach both ends what the relay can do.
        until(needs_no_connection, "a stream over what is there")
        connections, before = both.connections(), [list(one.flights) for one in (both.sender_leg, both.agent_leg)]
        streams.enter_context(both.stream())
        assert both.connections() == connections
        for leg, old in zip((both.sender_leg, both.agent_leg), before):
            added = [now[len(then) :] for then, now in zip(old, leg.flights)]
            # The agent is asked on another connection, whose answer there is none.
            assert sum(one.count(">") for one in added) == 1, (old, leg.flights)


def nth_end(target, number):
    """What the target said of its connection of this number."""

    def ended():
        return [line for line in target.lines if "end" in line][number:]

    return until(ended, f"the end of connection {number}")[0]


def test_bytes_cross_a_wire_that_loses_packets_whole():
    size, times = 1 << 20, 3  # the first goes over HTTP/1.1 where the others share a connection
    for keys in (OWN, SHARED):
        with World() as world:
            try:
                wire = slow_wire.Wire(world)
            except slow_wire.Cannot as reason:
                tap.skip(f"no wire here: {reason}")
            wire.be(round_trip_ms=10, loss=0.02)
            relay = slow_wire.relay(world, wire, ["db"])
            target = transfer.listen(world, "-n", times, "-s", size, inside=wire.far)
            world.agent(relay, {"db": target.at}, inside=wire.far, **keys)
            string = relay.connection("db", "send", host=slow_wire.FAR)
            app = world.app(relay, {"db": "db.corp:5432"}, strings={"db": string}, **keys)
            app.sender(inside=wire.near)
            for number in range(times):
                program = transfer.connect(app, "-s", size, inside=wire.near)
                transfer.expect_whole(program.line("end"), nth_end(target, number), size, size)
            assert wire.be()["lost"] > 0


def carried(wire):
    """Bytes that each connection to the far end has sent, by its local port."""
    listing = subprocess.run(
        ["nsenter", f"--net={wire.near}", "ss", "-tinOH", "dst", slow_wire.FAR],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = {}
    for line in listing.splitlines():
        count = re.search(r"\bbytes_sent:(\d+)", line)
        found[int(line.split()[3].rpartition(":")[2])] = int(count[1]) if count else 0
    return found


def test_what_comes_after_losses_has_a_connection_that_had_none():
    size = 1 << 20
    with World() as world:
        try:
            # Which every system has, and which is slow for long after it lost something.
            wire = slow_wire.Wire(world, "reno")
        except slow_wire.Cannot as reason:
            tap.skip(f"no wire here: {reason}")
        wire.be(round_trip_ms=20)
        relay = slow_wire.relay(world, wire, ["db"])
        target = transfer.listen(world, "-n", 100, inside=wire.far)
        world.agent(relay, {"db": target.at}, inside=wire.far, **SHARED)
        string = relay.connection("db", "send", host=slow_wire.FAR)
        app = world.app(relay, {"db": "db.corp:5432"}, strings={"db": string}, **SHARED)
        app.sender(inside=wire.near)
        numbers = itertools.count()

        def move(size):
            """One stream; the connections that carried more than half of it, of those still there."""
            before = carried(wire)
            program = transfer.connect(app, "-s", size, inside=wire.near)
            transfer.expect_whole(program.line("end"), nth_end(target, next(numbers)), size, 0)
            return [port for port, count in carried(wire).items() if count - before.get(port, 0) > size // 2]

        def needs_no_connection():
            before = set(carried(wire))
            move(1)
            return set(carried(wire)) == before

        # The first streams teach the sender what the relay can do.
        until(needs_no_connection, "a stream over what is there")
        wire.be(round_trip_ms=20, loss=0.05)
        there = set(carried(wire))
        worn = move(size)
        until(lambda: set(carried(wire)) - there, "another one, that nobody has asked for")
        wire.be(round_trip_ms=20)
        fresh = until(lambda: move(size), "a stream over a shared connection")
        assert len(worn) == len(fresh) == 1 and worn != fresh, (worn, fresh)


if __name__ == "__main__":
    main()
