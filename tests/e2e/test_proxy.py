#!/usr/bin/env python3
"""Agent and sender behind an HTTP proxy that wants a password: tinyproxy, a real one."""

import contextlib
import os
import pwd
import socket

import clients
import harness
import servers
from harness import BUILD, CLEAN_ENV, SLOWNESS, World, main, open_files, until
from test_many import open_many, use_all

# Here the keys decide, not the environment of the run.
harness.CLEAN_ENV.pop("HYBRIDGE_HTTP2", None)

USER, PASSWORD = "user", "pa55word"
LOGIN = "us%65r:pa55word"  # %65: as a URL may have it

# Streams that share connections, and how many connections that may take.
MANY = 40 if SLOWNESS < 10 else 15
FEW = 8


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
def world_with_proxy(http2="off", serve=servers.echo):
    # Connections are counted: unless a test wants them shared, each stream has its own.
    with serve() as target, World() as world:
        yield world, Proxy(world), world.relay(["db"], HYBRIDGE_HTTP2=http2), target


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


def test_nobody_is_told_to_set_a_proxy_that_is_set():
    with World() as world, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and nobody listens
        relay = world.relay(["db"])
        agent = world.agent(relay, {"db": ("127.0.0.1", 9)}, ready=False,
                            HYBRIDGE_PROXY="http://127.0.0.1:%d" % closed.getsockname()[1])
        line = agent.wait_log("control channel down.*by way of the proxy")
        assert "or set HYBRIDGE_PROXY" not in line, line


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


def daemons(world, relay, target, env):
    """An agent and an application's sender with this environment, and the application."""
    agent = world.agent(relay, {"db": target.at})
    agent.stop()
    app = world.app(relay, {"db": "db.corp:5432"})
    argv = {"hybridge-agent": agent.argv[-1], "hybridge-sender": app.path}
    both = [
        world.start([os.path.join(BUILD, name), "-f", path], env={**CLEAN_ENV, **env}, ready=True)
        for name, path in argv.items()
    ]
    return both, app


def tcp_peers(process, port):
    """How many TCP connections a process has to a port on this machine."""
    sockets = set(open_files(process.pid))
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file][1:]
    ports = [int(row[2].split(":")[1], 16) for row in rows if f"socket:[{row[9]}]" in sockets]
    return ports.count(port)


def open_shared(app):
    """Opens streams until sender and agent share connections, and then many at once."""
    for _ in range(3):
        use_all(open_many(app, 1), 1)
    return open_many(app, MANY)


def test_shared_connections_go_through_it_and_nowhere_else():
    with world_with_proxy("on", servers.digest) as (world, proxy, relay, target):
        both, app = daemons(world, relay, target, {"HYBRIDGE_PROXY": proxy.url})
        program = open_shared(app)
        for one in both:
            assert tcp_peers(one, relay.port) == 0, f"{one.name} goes past the proxy"
            assert 1 <= tcp_peers(one, proxy.port) <= FEW, f"{one.name} shares nothing"
        use_all(program, MANY)
        assert target.accepted == MANY + 3
        proxy.process.stop()
        clients.expect_verdict(app, "db.corp", 5432, "ENETUNREACH")


def test_shared_connections_go_past_it_to_those_in_no_proxy():
    with world_with_proxy("on", servers.digest) as (world, proxy, relay, target):
        env = {"HTTPS_PROXY": proxy.url, "NO_PROXY": "elsewhere.example,localhost"}
        both, app = daemons(world, relay, target, env)
        program = open_shared(app)
        for one in both:
            assert tcp_peers(one, proxy.port) == 0, f"{one.name} heeds no NO_PROXY"
            assert 1 <= tcp_peers(one, relay.port) <= FEW, f"{one.name} shares nothing"
        use_all(program, MANY)
        assert proxy.connects(relay) == 0, proxy.said()


if __name__ == "__main__":
    main()
