#!/usr/bin/env python3
"""Agent and sender behind an HTTP proxy that wants a password: tinyproxy, a real one."""

import contextlib
import os
import pwd
import socket

import clients
import servers
from harness import BUILD, CLEAN_ENV, World, main, until

USER, PASSWORD = "user", "pa55word"
LOGIN = "us%65r:pa55word"  # %65: as a URL may have it


class Proxy:
    """tinyproxy in the foreground; .url is for whoever knows the password."""

    def __init__(self, world):
        self.port = servers.free_port()
        self.at = f"127.0.0.1:{self.port}"
        self.url = f"http://{LOGIN}@{self.at}"
        self.log = world.path("tinyproxy.log")
        path = world.path("tinyproxy.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(
                f"User {pwd.getpwuid(os.getuid()).pw_name}\nPort {self.port}\n"
                f'Listen 127.0.0.1\nLogFile "{self.log}"\nLogLevel Connect\n'
                f"BasicAuth {USER} {PASSWORD}\n"
            )
        self.process = world.start(["tinyproxy", "-d", "-c", path])
        until(self.answers, "the proxy")

    def answers(self):
        with contextlib.suppress(OSError):
            with socket.create_connection(("127.0.0.1", self.port)):
                return True
        return False

    def said(self):
        with contextlib.suppress(FileNotFoundError):
            with open(self.log, encoding="utf-8") as file:
                return file.read()
        return ""

    def connects(self, relay):
        """How often it was asked for the relay."""
        return self.said().count(f"CONNECT localhost:{relay.port} ")


@contextlib.contextmanager
def world_with_proxy():
    # Connections are counted: each stream has its own.
    with servers.echo() as target, World() as world:
        yield world, Proxy(world), world.relay(["db"], HYBRIDGE_HTTP2="off"), target


def test_agent_and_sender_reach_the_relay_through_it_and_nowhere_else():
    with world_with_proxy() as (world, proxy, relay, target):
        world.agent(relay, {"db": target.at}, HYBRIDGE_PROXY=proxy.url)
        assert proxy.connects(relay) == 1, proxy.said()
        app = world.app(relay, {"db": "db.corp:5432"}, HYBRIDGE_PROXY=proxy.url)
        app.sender()
        before = proxy.connects(relay)
        clients.expect_echo(app, "db.corp", 5432)
        # For each of three streams the sender's connection, and the agent's to the rendezvous.
        assert proxy.connects(relay) - before >= 6, proxy.said()
        assert proxy.process.stop() is not None
        clients.expect_verdict(app, "db.corp", 5432, "ENETUNREACH")


def test_a_wrong_password_is_named_and_not_shown():
    with world_with_proxy() as (world, proxy, relay, target):
        wrong = f"http://corp-user:s3cret@{proxy.at}"
        agent = world.agent(relay, {"db": target.at}, ready=False, HYBRIDGE_PROXY=wrong)
        print("#", agent.wait_log("control channel down.*40[17]"))
        app = world.app(relay, {"db": "db.corp:5432"}, HYBRIDGE_PROXY=wrong)
        sender = app.sender()
        clients.expect_verdict(app, "db.corp", 5432, "ENETUNREACH")
        print("#", sender.wait_log("connect refused.*40[17]"))
        assert "s3cret" not in agent.err + sender.err
        assert target.accepted == 0


def test_the_environments_proxy_is_used_but_not_for_those_in_no_proxy():
    with world_with_proxy() as (world, proxy, relay, target):
        path = world.agent(relay, {"db": target.at}).argv[-1]
        before = proxy.connects(relay)
        for no_proxy, asked in (("elsewhere.example", 1), ("localhost", 0)):
            env = {
                **CLEAN_ENV,
                "HTTPS_PROXY": proxy.url,
                "NO_PROXY": no_proxy,
            }
            agent = world.start([os.path.join(BUILD, "hybridge-agent"), "-f", path], env=env)
            agent.wait_log("control channel up")
            assert proxy.connects(relay) - before == asked, proxy.said()
            before = proxy.connects(relay)


if __name__ == "__main__":
    main()
