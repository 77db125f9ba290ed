#!/usr/bin/env python3
"""An agent that may open no more files says so, to whom it refuses and in its log."""

import itertools
import os
import resource

import clients
import harness
import servers
from harness import World, main, until

# Here the keys decide, not the environment of the run.
harness.CLEAN_ENV.pop("HYBRIDGE_HTTP2", None)


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


def test_a_rendezvous_that_finds_no_descriptor_is_not_put_down_to_the_network():
    with servers.echo() as target, World() as world:
        agent, app, _ = settled(world, target.at, "off")
        allow_no_more(agent)
        clients.start(app, "blocking", "db.corp", 5432)
        agent.wait_log("rendezvous not reached")
        (line,) = [line for line in agent.err.splitlines() if "rendezvous not reached" in line]
        assert "LimitNOFILE" in line and "Too many open files" in line, line


if __name__ == "__main__":
    main()
