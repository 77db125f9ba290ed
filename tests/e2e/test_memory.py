#!/usr/bin/env python3
"""A daemon that gets no memory refuses what it cannot do, and says so; it goes on with all else.

Each allocation that a stream needs fails once: all of them with EVERY=1, else every fifth.
"""

import contextlib
import mmap
import os
import struct

import servers
from harness import BUILD, CLEAN_ENV, PYTHON, VALGRIND, World, main, tap, until

PRELOAD = os.path.join(BUILD, "tests", "preload", "fail_alloc.so")
EVERY = int(os.environ.get("EVERY", "5"))

# Prints "echo", or the errno; what is neither is no orderly end and no byte that was not sent.
PROGRAM = """
import errno, socket, sys
try:
    with socket.create_connection(("db.corp", 5432)) as s:
        s.sendall(b"hello")
        got = b""
        while len(got) < 5:
            more = s.recv(5)
            assert more, f"an orderly end after {got}"
            got += more
        assert got == b"hello", got
        print("echo")
except OSError as e:
    print(errno.errorcode[e.errno])
"""
# Of one stream for which there was no memory, at one of its ends or in the middle.
OUTCOMES = {"echo", "ECONNREFUSED", "ENETUNREACH", "ETIMEDOUT", "ECONNRESET"}


class Control:
    """What the preload shares with us."""

    def __init__(self, path):
        with open(path, "wb+") as file:
            file.truncate(4096)
            self.memory = mmap.mmap(file.fileno(), 4096)

    def fail(self, number):
        struct.pack_into("q", self.memory, 0, number)

    def count(self):
        return struct.unpack_from("q", self.memory, 8)[0]


@contextlib.contextmanager
def without_memory(path, wanted):
    """Whatever daemon is started meanwhile gets the preload, if wanted."""
    more = {"LD_PRELOAD": PRELOAD, "FAIL_ALLOC": path} if wanted else {}
    CLEAN_ENV.update(more)
    try:
        yield
    finally:
        for key in more:
            del CLEAN_ENV[key]


def fail_each(victim):
    """What the victim has logged."""
    if os.environ.get("SAN") or VALGRIND:
        tap.skip("a sanitizer has an allocator of its own")
    with servers.echo() as target, World() as world:
        path = world.path("fail-alloc")
        control = Control(path)
        with without_memory(path, victim == "relay"):
            relay = world.relay(["db"])
        with without_memory(path, victim == "agent"):
            agent = world.agent(relay, {"db": target.at})
        app = world.app(relay, {"db": "db.corp:5432"}, HYBRIDGE_CONNECT_TIMEOUT="1s")
        with without_memory(path, victim == "sender"):
            sender = app.sender()
        daemon = {"relay": relay, "agent": agent, "sender": sender}[victim]

        def outcome():
            program = app.run([PYTHON, "-c", PROGRAM])
            assert program.status == 0, program.err
            return program.out.strip()

        def works():
            return outcome() == "echo"

        until(works, "a stream")
        before = control.count()
        assert works()
        needed = control.count() - before
        assert needed > 10, needed
        seen = []
        for number in range(1, needed + 1, EVERY):
            control.fail(number)
            seen.append(outcome())
            control.fail(0)
            assert daemon.alive(), f"the {victim} died at allocation {number} of {needed}:\n{daemon.err}"
            assert seen[-1] in OUTCOMES, f"allocation {number}: {seen[-1]}"
            until(works, f"a stream after allocation {number}")
        print(f"# {victim}, {needed} allocations a stream:", {one: seen.count(one) for one in sorted(set(seen))})
        assert len(set(seen)) > 1, "nothing failed"
        return daemon.err


def test_a_sender_without_memory_goes_on():
    fail_each("sender")


def test_a_relay_without_memory_goes_on_and_takes_nobody_for_an_intruder():
    said = fail_each("relay")
    assert 'why="out of memory"' in said and "status=500" in said, said
    for lie in ("token refused", "Endpoint does not exist", "slowing down"):
        assert lie not in said, said


def test_an_agent_without_memory_goes_on():
    fail_each("agent")


if __name__ == "__main__":
    main()
