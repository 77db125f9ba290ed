#!/usr/bin/env python3
"""Streams that share connections (WebSockets over HTTP/2), and peers that do not know of it."""

import os
import socket
import ssl

import clients
import harness
import servers
import transfer
from harness import SLOWNESS, World, main, until
from test_many import open_many, use_all

# Here the keys decide, not the environment of the run.
harness.CLEAN_ENV.pop("HYBRIDGE_HTTP2", None)

# Where a handshake takes valgrind half a second, so many at once would take too long.
MANY = 60 if SLOWNESS < 10 else 15
FEW = 8  # the control channel, sessions of sender and agent, what was dialled before them

# Of bulk, and what each of these carries there and back.
STREAMS, BYTES = (4, 24 << 20) if SLOWNESS < 10 else (2, 4 << 20)

# Where it is turned off; then every stream has a connection of its own.
OFF = {"HYBRIDGE_HTTP2": "off"}


def world_of(world, at, relay_keys=None, agent_keys=None, app_keys=None):
    """A whole path."""
    relay = world.relay(["db"], **(relay_keys or {}))
    agent = world.agent(relay, {"db": at}, **(agent_keys or {}))
    app = world.app(relay, {"db": "db.corp:5432"}, **(app_keys or {}))
    return relay, agent, app


def relay_growth(parts, count):
    """By how many descriptors the relay grows with so many streams; each carries its bytes."""
    relay, _, app = parts
    app.sender()
    # The first goes over HTTP/1.1; behind it the sessions are opened.
    for _ in range(3):
        use_all(open_many(app, 1), 1)
    before = relay.descriptors()
    program = open_many(app, count)
    growth = relay.descriptors() - before
    use_all(program, count)
    return growth


def test_many_streams_share_a_few_connections():
    with servers.digest() as target, World() as world:
        growth = relay_growth(world_of(world, target.at), MANY)
        assert growth <= FEW, f"{growth} descriptors for {MANY} streams"
        assert target.accepted == MANY + 3


def test_any_part_may_be_without_it():
    cases = {
        "relay": ({"relay_keys": OFF}, 2 * MANY),
        "sender": ({"app_keys": OFF}, MANY),
        "agent": ({"agent_keys": OFF}, MANY),
        "all": ({"relay_keys": OFF, "app_keys": OFF, "agent_keys": OFF}, 2 * MANY),
    }
    for which, (keys, least) in cases.items():
        print("# without it:", which)
        with servers.digest() as target, World() as world:
            growth = relay_growth(world_of(world, target.at, **keys), MANY)
            assert least <= growth <= least + FEW, f"{which}: {growth}"


def test_bulk_arrives_whole_while_somebody_waits_beside_it():
    with servers.echo() as target, World() as world:
        _, _, app = world_of(world, target.at)
        app.sender()
        for _ in range(3):
            clients.expect_echo(app, "db.corp", 5432)
        words = [harness.PYTHON, os.path.join(harness.HERE, "beside_client.py"), "db.corp", "5432", STREAMS, BYTES]
        program = app.run([str(word) for word in words], 60 * SLOWNESS)
        assert program.status == 0, program.err
        assert int(program.out) > 0


def test_a_relay_that_is_replaced_by_one_without_it_serves_again():
    with servers.echo() as target, World() as world:
        relay, agent, app = world_of(world, target.at)
        app.sender()
        for _ in range(3):
            clients.expect_echo(app, "db.corp", 5432)
        relay.kill()
        agent.wait_log("control channel down")
        relay.settings["HYBRIDGE_HTTP2"] = "off"
        relay = relay.again()
        until(lambda: agent.err.count("control channel up") == 2, "the agent's return")
        for _ in range(3):
            clients.expect_echo(app, "db.corp", 5432)


def test_a_killed_relay_resets_the_streams_of_a_session():
    with servers.echo() as other, World() as world:
        target = transfer.listen(world, "-s", transfer.ENDLESS)
        relay = world.relay(["db", "other"])
        world.agent(relay, {"db": target.at, "other": other.at})
        app = world.app(relay, {"db": "db.corp:5432", "other": "other.corp:7"})
        app.sender()
        for _ in range(3):
            clients.expect_echo(app, "other.corp", 7)
        program = transfer.connect(app, "-k", "-p", 1 << 20)
        program.line("progress")
        relay.kill()
        for end in transfer.ends(program, target):
            assert end["end"] == "ECONNRESET" and not end["eof"], end


def test_a_refusal_tells_the_same_errno():
    with servers.refusing() as at, World() as world:
        _, _, app = world_of(world, at)
        app.sender()
        for _ in range(3):
            clients.expect_verdict(app, "db.corp", 5432, "ECONNREFUSED")


def chosen(relay, protocols):
    """The protocol that the relay chooses for a client that offers these."""
    context = ssl.create_default_context(cafile=relay.world.authority.path)
    context.set_alpn_protocols(protocols)
    with socket.create_connection((relay.host, relay.port)) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            return secure.selected_alpn_protocol()


def test_only_who_offers_nothing_else_gets_http2():
    with World() as world:
        relay = world.relay(["db"])
        assert chosen(relay, ["h2", "http/1.1"]) == "http/1.1"
        assert chosen(relay, ["http/1.1"]) == "http/1.1"
        assert chosen(relay, ["h2"]) == "h2"
        assert chosen(relay, ["spdy/3"]) is None
        relay = world.relay(["db"], **OFF)
        assert chosen(relay, ["h2"]) is None


if __name__ == "__main__":
    main()
