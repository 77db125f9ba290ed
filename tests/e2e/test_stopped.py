#!/usr/bin/env python3
"""Processes that stand still for a while, as a debugger or a suspended machine has it."""

import contextlib
import signal
import time

import harness
import servers
import transfer
from harness import SLOWNESS, World, main, until
from test_many import open_many, use_all

MIB = 1 << 20
SIZE = 128 * MIB if SLOWNESS < 10 else 32 * MIB
PING = 0.3 * SLOWNESS
STANDSTILL = 4.5 * PING  # a peer that could be asked is dead after three

# Here the tests decide, not the environment of the run.
harness.CLEAN_ENV.pop("HYBRIDGE_HTTP2", None)

# Each stream has a connection of its own: its bytes are what a ping would wait behind.
OFF = {"HYBRIDGE_HTTP2": "off"}


@contextlib.contextmanager
def stopped(process):
    """Stands still for longer than silence is borne with; nothing tells when that is over."""
    process.signal(signal.SIGSTOP)
    try:
        end = time.monotonic() + STANDSTILL
        until(lambda: time.monotonic() > end, "the end of the standstill", 2 * STANDSTILL)
        yield
    finally:
        process.signal(signal.SIGCONT)


def check_transfer(http2):
    ping = f"{int(PING * 1000)}ms"
    with servers.digest() as warm, World() as world:
        relay = world.relay(["db", "bulk"], HYBRIDGE_RELAY_PING=ping, **({} if http2 else OFF))
        target = transfer.listen(world, "-s", SIZE)
        agent = world.agent(relay, {"db": warm.at, "bulk": target.at}, HYBRIDGE_KEEPALIVE=ping)
        app = world.app(relay, {"db": "db.corp:5432", "bulk": "bulk.corp:5432"}, HYBRIDGE_KEEPALIVE=ping)
        sender = app.sender()
        # The first stream goes over HTTP/1.1; behind it the sessions are opened.
        for _ in range(3 if http2 else 0):
            use_all(open_many(app, 1), 1)
        before = relay.descriptors()
        program = transfer.connect(app, "-s", SIZE, "-p", MIB, host="bulk.corp")
        program.line("progress")
        assert not http2 or relay.descriptors() <= before, "the stream has connections of its own"
        # Bytes wait for each of them: they take nothing, but their kernels answer.
        for process in (relay, agent, sender):
            with stopped(process):
                assert program.alive() and target.alive()
        transfer.expect_whole(*transfer.ends(program, target), SIZE, SIZE)


def test_whoever_stands_still_amid_a_transfer_loses_nothing_of_it():
    check_transfer(http2=False)


def test_nor_where_streams_share_connections():
    check_transfer(http2=True)


def test_a_relay_that_stood_still_asks_before_it_ends_idle_streams():
    with servers.digest() as target, World() as world:
        relay = world.relay(["db"], HYBRIDGE_RELAY_PING=f"{int(PING * 1000)}ms", **OFF)
        world.agent(relay, {"db": target.at})
        app = world.app(relay, {"db": "db.corp:5432"})
        app.sender()
        program = open_many(app, 1)
        with stopped(relay):
            pass
        use_all(program, 1)


if __name__ == "__main__":
    main()
