#!/usr/bin/env python3
"""What connect() says, and when: three kinds of clients, relay and agent for real."""

import contextlib

import clients
import delay
import servers
from harness import PYTHON, SLOWNESS, World, main, until

QUICK = "2s"


@contextlib.contextmanager
def world_with(target, **keys):
    """A world whose db.corp:5432 is that target; yields it, the relay, the agent and the app."""
    with World() as world:
        relay = world.relay(["db"])
        agent = world.agent(relay, {"db": target})
        app = world.app(relay, {"db": "db.corp:5432"}, **keys)
        app.sender()
        yield world, relay, agent, app


def test_every_kind_of_client_connects_and_sees_the_port_it_asked_for():
    with servers.echo() as target, world_with(target.at) as (_, _, _, app):
        seen = clients.expect_echo(app, "db.corp", 5432)
        for kind, one in seen.items():
            assert one["peer"].endswith(":5432"), f"{kind}: {one}"
        assert seen["epoll"]["events"].strip() == "OUT", seen["epoll"]
        assert target.accepted == len(seen), target.accepted


def test_no_agent_is_connection_refused():
    with World() as world:
        relay = world.relay(["db"])
        app = world.app(relay, {"db": "db.corp:5432"})
        app.sender()
        clients.expect_verdict(app, "db.corp", 5432, "ECONNREFUSED")


def test_an_agent_that_stops_is_connection_refused_and_one_that_starts_works():
    with servers.echo() as target, world_with(target.at) as (world, relay, agent, app):
        clients.expect_echo(app, "db.corp", 5432)
        assert agent.stop() == 0
        clients.expect_verdict(app, "db.corp", 5432, "ECONNREFUSED")
        world.agent(relay, {"db": target.at})
        clients.expect_echo(app, "db.corp", 5432)


def test_a_target_that_refuses_is_connection_refused():
    with servers.refusing() as at, world_with(at) as (_, _, _, app):
        clients.expect_verdict(app, "db.corp", 5432, "ECONNREFUSED")


def test_a_silent_target_is_a_time_out_after_the_connect_time_out():
    keys = {"HYBRIDGE_CONNECT_TIMEOUT": QUICK}
    with servers.silent() as target, world_with(target.at, **keys) as (_, _, _, app):
        seen = clients.expect_verdict(app, "db.corp", 5432, "ETIMEDOUT")
        # The agent's own time-out comes after ten seconds more.
        assert 1_900_000 < seen["epoll"]["event_us"] < 10_000_000 * SLOWNESS, seen["epoll"]
        assert 1_900_000 < seen["blocking"]["us"] < 10_000_000 * SLOWNESS, seen["blocking"]


def test_a_silent_target_is_a_time_out_after_the_agents_own_time_out():
    with servers.silent() as target, world_with(target.at) as (_, _, _, app):
        seen = clients.expect_verdict(app, "db.corp", 5432, "ETIMEDOUT", 28 * SLOWNESS)
        assert 10_000_000 < seen["epoll"]["event_us"] < 25_000_000 * SLOWNESS, seen["epoll"]


def test_a_target_whose_name_is_unknown_is_no_route_to_host():
    with world_with(("nowhere.invalid", 5432)) as (_, _, _, app):
        clients.expect_verdict(app, "db.corp", 5432, "EHOSTUNREACH")


def test_a_target_without_a_route_is_no_route_to_host():
    # The kernel has no route for TCP to a group of hosts, on whatever network.
    with world_with(("224.0.0.1", 5432)) as (_, _, _, app):
        clients.expect_verdict(app, "db.corp", 5432, "EHOSTUNREACH")


def test_a_port_that_is_not_mapped_is_refused_at_once():
    with servers.echo() as target, world_with(target.at) as (_, _, _, app):
        for kind in clients.COMMANDS:
            seen = clients.outcome(app, kind, "db.corp", 5433)
            assert seen["errno"] == "ECONNREFUSED", f"{kind}: {seen}"
        assert target.accepted == 0, target.accepted


SHARING = """
import errno, itertools, socket
def address(name):
    return socket.gethostbyname(name)
def dial(at):
    with socket.socket() as s:
        print(errno.errorcode.get(s.connect_ex((at, 5432))), flush=True)
first = address("x.a.corp")
dial(first)
dial(next(at for i in itertools.count() if (at := address(f"h{i}.b.corp")) == first))
"""


def test_an_address_that_two_names_share_leads_to_neither_service():
    with servers.echo() as one, servers.echo() as other, World() as world:
        relay = world.relay(["a", "b"])
        world.agent(relay, {"a": one.at, "b": other.at})
        hosts = {"a": "*.a.corp:5432", "b": "*.b.corp:5432"}
        app = world.app(relay, hosts, HYBRIDGE_RANGE="127.99.1.0/24")
        sender = app.sender()
        program = app.run([PYTHON, "-c", SHARING], seconds=20)
        assert program.out.split() == ["None", "ECONNREFUSED"], program.out
        assert (one.accepted, other.accepted) == (1, 0)
        until(lambda: "two names share one address" in sender.err, "a warning")


def test_what_is_not_mapped_goes_straight_to_the_kernel():
    with servers.echo() as mapped, servers.echo() as other:
        with world_with(mapped.at) as (_, _, _, app):
            clients.expect_echo(app, *other.at)
            assert (mapped.accepted, other.accepted) == (0, 3)


def test_no_event_comes_before_a_slow_target_has_answered():
    with servers.silent() as target, world_with(target.at) as (_, _, agent, app):
        waiting = {kind: clients.start(app, kind, "db.corp", 5432) for kind in clients.COMMANDS}
        until(lambda: syns_to(agent.pid, target.at) == len(waiting), "the agent's calls")
        target.answer()
        for kind, program in waiting.items():
            seen = program.line("errno")
            assert seen["echo"], f"{kind}: {seen}"
            # The agent's kernel asks again after a second, not before.
            assert waited_us(kind, seen) >= 990_000, f"{kind} was connected too early: {seen}"


def waited_us(kind, seen):
    """How long the program took for connected, by its own clock."""
    return seen["us"] if kind == "blocking" else seen["event_us"]


def syns_to(pid, at):
    """How many sockets wait in SYN_SENT for an answer from this address."""
    remote = "%02X%02X%02X%02X:%04X" % (*reversed(list(map(int, at[0].split(".")))), at[1])
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table]
    return sum(1 for row in rows if row[2] == remote and row[3] == "02")


def test_a_non_blocking_connect_through_a_slow_relay_returns_at_once_and_waits_for_it():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        world.agent(relay, {"db": target.at})
        one_way_us = 250_000
        far = world.background(delay.Delay(relay.port, one_way_us / 1e6))
        app = world.app(relay, {"db": "db.corp:5432"}, port=far.port)
        app.sender()
        took = []
        for _ in range(5):
            seen = clients.outcome(app, "epoll", "db.corp", 5432)
            assert (seen["errno"], seen["so_error"]) == ("EINPROGRESS", ""), seen
            assert seen["event_us"] >= 2 * one_way_us, f"before the relay had answered: {seen}"
            assert seen["echo"] and seen["events"].strip() == "OUT", seen
            # On a busy machine it may stand in the queue for a CPU: that is not connect()'s.
            took.append(seen["us"] - seen["queued_us"])
        # Nor is it when the machine itself stands still for a moment: the best is what it takes.
        assert max(took) < one_way_us, f"connect() waited for the relay: {took} us"
        assert min(took) < one_way_us / 10, f"connect() took {took} us"
        for kind, seen in clients.expect_echo(app, "db.corp", 5432).items():
            assert waited_us(kind, seen) >= 2 * one_way_us, f"{kind} did not wait for the relay: {seen}"


if __name__ == "__main__":
    main()
