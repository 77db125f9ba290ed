#!/usr/bin/env python3
"""An agent that may open no more files says so, to whom it refuses and in its log."""

import itertools
import os
import resource
import subprocess

import clients
import harness
import servers
from harness import PYTHON, World, main, until

# Here the keys decide, not the environment of the run.
harness.CLEAN_ENV.pop("HYBRIDGE_HTTP2", None)


PROGRAMS = 5

# Opens streams until it may open no more; ends them when it is told to.
MANY = """
import errno, json, socket, sys
open_ones = []
try:
    while True:
        open_ones.append(socket.create_connection(("db.corp", 5432)))
except OSError as error:
    print(json.dumps({"refused": errno.errorcode[error.errno], "open": len(open_ones)}), flush=True)
sys.stdin.readline()
for sock in open_ones:
    sock.sendall(b"x" * 1000)
    assert len(sock.recv(1000, socket.MSG_WAITALL)) == 1000
print(json.dumps({"echoed": len(open_ones)}), flush=True)
"""


def settled(world, at, http2):
    """A path that has carried a few streams: a session is open, the relay's name is known."""
    relay = world.relay(["db"])
    agent = world.agent(relay, {"db": at}, HYBRIDGE_HTTP2=http2)
    app = world.app(relay, {"db": "db.corp:5432"})
    sender = app.sender()
    for _ in range(3):
        assert clients.outcome(app, "blocking", "db.corp", 5432)["errno"] == ""
    return agent, app, sender


def allow_no_more(agent):
    """Not one descriptor more than those it has."""
    until(lambda: agent.err.count("session closed") >= 3, "the end of the streams")
    numbers = {int(name) for name in os.listdir(f"/proc/{agent.pid}/fd")}
    # The limit is on numbers, and the lowest free one is taken.
    lowest_free = next(number for number in itertools.count() if number not in numbers)
    resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (lowest_free,) * 2)


def test_a_program_is_refused_and_its_sender_told_of_the_limit():
    with servers.echo() as target, World() as world:
        agent, app, sender = settled(world, target.at, "on")

        def is_refused():
            # What the last stream had may be open for a moment more.
            allow_no_more(agent)
            return clients.outcome(app, "blocking", "db.corp", 5432)["errno"] == "ECONNREFUSED"

        until(is_refused, "a refusal")
        sender.wait_log("too many files open, see its LimitNOFILE")


def test_a_refusal_that_needs_a_connection_of_its_own_is_made_on_descriptors_kept_for_it():
    """As with Azure, which does not share connections."""
    with servers.echo() as target, World() as world:
        agent, app, sender = settled(world, target.at, "off")
        most = max(int(name) for name in os.listdir(f"/proc/{agent.pid}/fd"))
        resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (most + 10,) * 2)
        many = app.start([PYTHON, "-c", MANY], stdin=subprocess.PIPE)
        seen = many.line("refused")
        assert seen["refused"] == "ECONNREFUSED" and seen["open"] >= 2, seen
        for _ in range(2):
            others = [lambda: clients.outcome(app, "blocking", "db.corp", 5432)] * PROGRAMS
            seen = [one["errno"] for one in harness.at_once(others)]
            assert seen == ["ECONNREFUSED"] * PROGRAMS, seen
        sender.wait_log("too many files open, see its LimitNOFILE")
        said = [line for line in agent.err.splitlines() if "Too many open files" in line]
        assert said and all("LimitNOFILE" in line for line in said), agent.err
        assert "rendezvous not reached" not in agent.err, agent.err
        # Those that were open before do not feel it, and leave room for others.
        many.popen.stdin.close()
        assert many.line("echoed")["echoed"] >= 2

        def is_served():
            return clients.outcome(app, "blocking", "db.corp", 5432)["errno"] == ""

        until(is_served, "a stream as before")


if __name__ == "__main__":
    main()
