#!/usr/bin/env python3
"""Many streams at once, and nothing left of them afterwards."""

import os
import subprocess

import servers
from harness import HERE, PYTHON, SLOWNESS, World, main, until

# Under valgrind so many handshakes at once would take longer than a connect may.
MANY = 200 if SLOWNESS < 10 else 40

# Connections to the relay that a sender keeps open to be quick, warm ones or HTTP/2
# sessions; they are refilled behind each use, so that their number moves by itself.
WARM = 4


def open_many(app, count, size=64 << 10):
    """Starts the client; returns it when all its connections are open."""
    program = app.start(
        [PYTHON, os.path.join(HERE, "many_client.py"), "db.corp", "5432", str(count), str(size)],
        stdin=subprocess.PIPE,
    )
    assert program.line("open")["open"] == count
    return program


def use_all(program, count):
    """Lets the client use its connections; each must have carried its own bytes."""
    program.popen.stdin.close()
    assert program.line("right")["right"] == count
    assert program.wait() == 0, program.err


def test_many_streams_at_once_each_carry_their_own_bytes_and_leave_nothing():
    with servers.digest() as target, World() as world:
        relay = world.relay(["db"])
        agent = world.agent(relay, {"db": target.at})
        app = world.app(relay, {"db": "db.corp:5432"})
        daemons = (relay, agent, app.sender())
        use_all(open_many(app, 1), 1)
        before = [one.descriptors() for one in daemons]
        program = open_many(app, MANY)
        amid = [one.descriptors() for one in daemons]
        # The relay's streams may share a connection or two.
        assert min(amid[1:]) >= MANY, f"{MANY} streams, but {amid} descriptors"
        use_all(program, MANY)

        def back():
            now = [one.descriptors() for one in daemons]
            return all(n <= old + WARM for n, old in zip(now, before))

        until(back, f"the descriptors of relay, agent, sender back to {before} from {amid}")
        assert target.accepted == MANY + 1, target.accepted


def test_a_hundred_short_streams_one_after_the_other_leave_no_descriptor():
    with servers.digest() as target, World() as world:
        relay = world.relay(["db"])
        agent = world.agent(relay, {"db": target.at})
        app = world.app(relay, {"db": "db.corp:5432"})
        daemons = (relay, agent, app.sender())
        use_all(open_many(app, 1), 1)
        before = [one.descriptors() for one in daemons]
        for _ in range(10):
            use_all(open_many(app, 10, size=1), 10)

        def back():
            now = [one.descriptors() for one in daemons]
            return all(n <= old + WARM for n, old in zip(now, before))

        until(back, f"the descriptors of relay, agent, sender back to {before}")


if __name__ == "__main__":
    main()
