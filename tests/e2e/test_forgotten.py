#!/usr/bin/env python3
"""A NAT or a firewall that has forgotten the connection which streams share."""

import contextlib
import re
import signal
import time

import clients
import harness
import servers
from delay import Delay
from forgetful import Forgetful
from harness import SLOWNESS, World, main, until
from test_many import WARM

# Here the keys decide, not the environment of the run.
harness.CLEAN_ENV.pop("HYBRIDGE_HTTP2", None)

CONNECT_S = 30  # how long a program's connect() may take
SOON_S = 5 * SLOWNESS
LEAVE_S = 5 * SLOWNESS  # an agent that waits for a stream stays for 10


def settle(proxy, app, outcome):
    """Connects until that is over a session; the first time is over HTTP/1.1."""

    def needs_no_connection():
        before = proxy.connections
        assert clients.outcome(app, "blocking", "db.corp", 5432)["errno"] == outcome
        return proxy.connections == before

    until(needs_no_connection, "a session")


def agent_path(world, proxy, relay, at):
    """An agent that reaches its relay through the proxy, and an application."""
    strings = {"db": relay.connection("db", "listen", port=proxy.port)}
    agent = world.agent(relay, {"db": at}, strings=strings, HYBRIDGE_LOG_LEVEL="debug")
    app = world.app(relay, {"db": "db.corp:5432"})
    app.sender()
    return agent, app


def expect_answer(at, outcome, silent=False):
    """The agent's session is lost under its answer; the program hears the answer all the same."""
    with World() as world:
        relay = world.relay(["db"])
        proxy = world.background(Forgetful(relay.port, silent))
        agent, app = agent_path(world, proxy, relay, at)
        settle(proxy, app, outcome)
        before = agent.descriptors()
        proxy.forget(1)  # all but the control channel
        started = time.monotonic()
        seen = clients.outcome(app, "blocking", "db.corp", 5432, (CONNECT_S + 10) * SLOWNESS)
        assert proxy.lost == 1, proxy.lost
        assert seen["errno"] == outcome, seen
        print(f"# answered after {time.monotonic() - started:.1f} s")
        started = time.monotonic()
        assert clients.outcome(app, "blocking", "db.corp", 5432)["errno"] == outcome
        assert time.monotonic() - started < SOON_S, "lost once more"
        # A lost session may be replaced, and a stream's connection is closed in a moment.
        until(lambda: agent.descriptors() <= before, f"the agent's descriptors back to {before}")
        agent.signal(signal.SIGTERM)
        assert agent.wait(LEAVE_S) == 0


def test_an_agent_whose_session_is_reset_accepts_over_another_connection():
    with servers.echo() as target:
        expect_answer(target.at, "")


def test_an_agent_whose_session_is_reset_refuses_over_another_connection():
    with servers.refusing() as at:
        expect_answer(at, "ECONNREFUSED")


def test_an_agent_whose_session_says_nothing_accepts_over_another_connection():
    with servers.echo() as target:
        expect_answer(target.at, "", silent=True)


def test_a_sender_whose_session_is_reset_asks_over_another_connection():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        world.agent(relay, {"db": target.at})
        proxy = world.background(Forgetful(relay.port))
        app = world.app(relay, {"db": "db.corp:5432"}, port=proxy.port)
        sender = app.sender()
        settle(proxy, app, "")
        before = sender.descriptors()
        proxy.forget()
        seen = clients.outcome(app, "blocking", "db.corp", 5432)
        assert proxy.lost >= 1, proxy.lost
        assert seen["errno"] == "" and seen["echo"], seen
        for _ in range(3):
            assert clients.outcome(app, "blocking", "db.corp", 5432)["errno"] == ""
        until(lambda: sender.descriptors() <= before + WARM, f"the sender's descriptors back to {before}")


class Misleading(Delay):
    """Tells every agent that all senders are with worker 1."""

    def __init__(self, port):
        super().__init__(port, 0)

    async def _forward(self, reader, writer, number, way):
        while data := await reader.read(65536):
            writer.write(re.sub(rb"sb-hc-worker=[0-9]", b"sb-hc-worker=1", data) if way == "<" else data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()


def test_an_agent_whose_session_is_with_another_worker_answers_over_another_connection():
    with servers.echo() as target, World() as world:
        plain = {"HYBRIDGE_RELAY_CERT": None, "HYBRIDGE_RELAY_KEY": None}
        relay = world.relay(["db"], HYBRIDGE_RELAY_WORKERS="2", **plain)
        proxy = world.background(Misleading(relay.port))
        string = relay.connection("db", "listen", port=proxy.port).replace("sb:", "ws:")
        agent = world.agent(relay, {"db": target.at}, strings={"db": string}, HYBRIDGE_LOG_LEVEL="debug")
        string = relay.connection("db", "send").replace("sb:", "ws:")
        # A sender's session stays with its worker, so they are with both.
        apps = [world.app(relay, {"db": "db.corp:5432"}, strings={"db": string}) for _ in range(2)]
        for app in apps:
            app.sender()
        for _ in range(4):
            for app in apps:
                seen = clients.outcome(app, "blocking", "db.corp", 5432, (CONNECT_S + 10) * SLOWNESS)
                assert seen["errno"] == "" and seen["echo"], seen
        assert "from=answering to=dialing" in agent.err, "the relay never said 421"


if __name__ == "__main__":
    main()
