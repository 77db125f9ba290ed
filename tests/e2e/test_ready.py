#!/usr/bin/env python3
"""When an agent is ready, and what a service manager hears of it (sd_notify)."""

import contextlib
import signal
import socket

import clients
import harness
import servers
from harness import World, main, until


class Manager:
    """What a service manager hears from the agents that are started meanwhile."""

    def __init__(self, world):
        self.heard = []
        self.socket = world.background(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self.path = world.path("notify")
        self.socket.bind(self.path)
        self.socket.setblocking(False)

    def agent(self, world, *args, **more):
        harness.CLEAN_ENV["NOTIFY_SOCKET"] = self.path
        try:
            return world.agent(*args, **more)
        finally:
            del harness.CLEAN_ENV["NOTIFY_SOCKET"]

    def hears(self, text):
        """Whether a message began with this so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.heard.append(self.socket.recv(4096).decode())
        return any(one.startswith(text) for one in self.heard)


def test_an_agent_is_ready_though_one_of_its_connections_cannot_come_up():
    for order in (("db", "nope"), ("nope", "db")):
        with servers.echo() as target, World() as world:
            relay = world.relay(["db"])
            manager = Manager(world)
            agent = manager.agent(world, relay, dict.fromkeys(order, target.at))
            assert agent.ready == "connections=2 up=1", agent.ready
            until(lambda: manager.hears("READY=1"), "READY=1")
            status = "STATUS=1 of 2 connections up; nope: hybrid connection nope does not exist"
            assert manager.hears(status), manager.heard
            app = world.app(relay, {"db": "db.corp:5432"})
            app.sender()
            clients.expect_echo(app, "db.corp", 5432)


def test_an_agent_is_not_ready_before_one_of_its_connections_is_up():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        manager = Manager(world)
        relay.kill()
        manager.agent(world, relay, {"db": target.at}, ready=False)
        until(lambda: manager.hears("STATUS=0 of 1 connections up; db: "), "the reason")
        assert not manager.hears("READY=1"), manager.heard
        relay.again()
        until(lambda: manager.hears("READY=1"), "READY=1")
        assert manager.hears("STATUS=1 of 1 connections up"), manager.heard


def test_an_agent_of_two_good_connections_waits_for_both():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db", "web"])
        manager = Manager(world)
        agent = manager.agent(world, relay, {"db": target.at, "web": target.at})
        assert agent.ready == "connections=2 up=2", agent.ready
        until(lambda: manager.hears("READY=1"), "READY=1")
        assert "STATUS=2 of 2 connections up" in manager.heard, manager.heard


def test_a_reload_says_what_needs_a_restart():
    with servers.echo() as target, World() as world:
        agent = world.agent(world.relay(["db"]), {"db": target.at})
        with open(world.path("agent1.env"), "a", encoding="ascii") as file:
            file.write("HYBRIDGE_STATUS_LISTEN='127.0.0.1:1'\n")
        agent.signal(signal.SIGHUP)
        agent.wait_log('"HYBRIDGE_STATUS_LISTEN needs a restart" now="" file=127.0.0.1:1')
        agent.wait_log("configuration read again")


if __name__ == "__main__":
    main()
