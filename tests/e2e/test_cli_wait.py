#!/usr/bin/env python3
"""hybridge wait: returns when the services can be reached, and says why they cannot."""

import os
import subprocess

import servers
from harness import BUILD, CLEAN_ENV, World, main

HYBRIDGE = os.path.join(BUILD, "hybridge")


def wait(*args):
    return subprocess.run([HYBRIDGE, "wait", *args], env=CLEAN_ENV, capture_output=True, text=True, timeout=60)


def test_what_can_be_reached_is_not_waited_for():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db", "er"])
        world.agent(relay, {"db": target.at, "er": target.at})
        app = world.app(relay, {"db": "db.corp:5432", "er": "er.corp:1"})
        result = wait("-f", app.path)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", ""), result
        assert target.accepted == 2
        assert wait("-f", app.path, "er").returncode == 0
        assert target.accepted == 3
        assert wait("-f", world.path("agent1.env")).returncode == 0
        assert target.accepted == 3, "where the agent is, its target is left alone"


def test_it_returns_when_the_agent_has_come():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        app = world.app(relay, {"db": "db.corp:5432"})
        agents = world.write_env("later.env", HYBRIDGE_CA_FILE=world.authority.path, HYBRIDGE_DB_TARGET="127.0.0.1:9",
                                 HYBRIDGE_DB_CONNECTION=relay.connection("db", "listen"))
        waiting = [world.start([HYBRIDGE, "wait", "-f", path]) for path in (app.path, agents)]
        relay.wait_log(r"no listener|404")
        world.agent(relay, {"db": target.at})
        for process in waiting:
            assert process.wait() == 0, process.err
        assert target.accepted == 1


def test_it_says_what_it_waited_for_in_vain():
    with servers.refusing() as nobody, World() as world:
        relay = world.relay(["db"])
        app = world.app(relay, {"db": "db.corp:5432"})
        result = wait("-f", app.path, "--timeout", "10ms")
        assert result.returncode == 75, result
        assert "db is not ready within 0.01 s: " in result.stderr and "\n  -> " in result.stderr, result.stderr
        result = wait("-f", app.path, "--timeout", "1500ms")
        assert result.returncode == 75, result
        assert "db is not ready within 1.5 s: nobody listens" in result.stderr, result.stderr
        assert "-> start the agent" in result.stderr, result.stderr
        world.agent(relay, {"db": nobody})
        result = wait("-f", app.path, "--timeout", "1500ms")
        assert result.returncode == 75 and "ECONNREFUSED" in result.stderr, result.stderr


def test_what_cannot_be_waited_for():
    with World() as world:
        relay = world.relay(["db"])
        app = world.app(relay, {"db": "db.corp:5432"})
        for args, status, words in (
            ((), 78, "name an env file"),
            (("-f", app.path, "dc"), 64, "no connection 'dc'"),
            (("-f", app.path, "--timeout", "soon"), 64, "a time like 30s"),
            (("-f", app.path, "--timeout"), 64, "needs a value"),
            (("-f", world.path("none.env")), 78, "none.env"),
        ):
            result = wait(*args)
            assert result.returncode == status and words in result.stderr, (args, result)


if __name__ == "__main__":
    main()
