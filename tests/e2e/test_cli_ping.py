#!/usr/bin/env python3
"""hybridge ping: round trips to the agent, of which the service hears nothing."""

import json
import os
import signal
import subprocess

import servers
from harness import BUILD, CLEAN_ENV, World, main, until

HYBRIDGE = os.path.join(BUILD, "hybridge")


def ping(*args):
    return subprocess.run([HYBRIDGE, "ping", *args], env=CLEAN_ENV, capture_output=True, text=True, timeout=60)


def rounds(text):
    return [line for line in text.splitlines() if line.startswith("  ") and line.endswith(" ms")]


def test_each_message_comes_back_and_the_service_hears_nothing():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        agent = world.agent(relay, {"db": target.at})
        app = world.app(relay, {"db": "db.corp:5432"})
        # The second finds the agent with a connection that its streams share.
        for _ in range(2):
            result = ping("-f", app.path, "-c", "3", "-i", "0", "db")
            assert result.returncode == 0 and result.stderr == "", result
            lines = result.stdout.splitlines()
            assert lines[0].startswith("db: hybridge-agent/") and "stream opened in " in lines[0], result.stdout
            assert len(rounds(result.stdout)) == 3, result.stdout
            assert lines[-1].startswith("db: 3 sent, 3 came back, "), result.stdout
        assert target.accepted == 0, "the service was to hear nothing"
        agent.wait_log("echo ended.* messages=3")


def test_all_connections_are_pinged_and_one_that_fails_does_not_stop_the_others():
    with servers.refusing() as nobody, World() as world:
        relay = world.relay(["db", "er", "up"])
        # Whether there is a service does not matter.
        world.agent(relay, {"db": nobody, "up": nobody})
        app = world.app(relay, {"er": "er.corp:1", "db": "db.corp:5432", "up": "up.corp:1"})
        result = ping("-f", app.path, "-c", "1", "--json")
        assert result.returncode == 69, result
        assert "er: nobody listens" in result.stderr and "\n  -> start the agent" in result.stderr, result.stderr
        root = json.loads(result.stdout)
        found = {one["name"]: one for one in root["connections"]}
        assert root["schema"] == 1 and set(found) == {"db", "er", "up"}, root
        for name in "db", "up":
            assert found[name]["agent"].startswith("hybridge-agent/") and found[name]["error"] is None, root
            assert len(found[name]["round_us"]) == 1 and found[name]["open_us"] > 0, root
        assert found["er"]["agent"] is None and "nobody listens" in found["er"]["error"], root
        secrets = [secret for name in ("db", "er", "up") for secret in relay.rules[name].values()]
        assert not any(secret in result.stdout + result.stderr for secret in secrets)


def test_azbridges_way():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        world.agent(relay, {"db": target.at}, HYBRIDGE_DB_MODE="azbridge")
        app = world.app(relay, {"db": "db.corp:5432"}, HYBRIDGE_DB_MODE="azbridge")
        result = ping("-f", app.path, "-c", "1")
        assert result.returncode == 0 and "1 came back" in result.stdout, result
        assert target.accepted == 0


def test_an_interrupt_brings_the_sum():
    with World() as world:
        relay = world.relay(["db"])
        world.agent(relay, {"db": ("127.0.0.1", 9)})
        app = world.app(relay, {"db": "db.corp:5432"})
        # In the midst of a rest, which nobody waits for.
        program = world.start([HYBRIDGE, "ping", "-f", app.path, "-c", "1000", "-i", "1h"])
        until(lambda: len(rounds(program.out)) == 1, "a round trip")
        program.signal(signal.SIGINT)
        assert program.wait() == 0, program.err
        assert "db: 1 sent, 1 came back, " in program.out, program.out


def test_a_stream_that_breaks_and_an_agent_that_leaves():
    for how, words in ((lambda agent: agent.kill(), "the stream broke"), (lambda agent: agent.stop(), "1001")):
        with World() as world:
            relay = world.relay(["db"])
            agent = world.agent(relay, {"db": ("127.0.0.1", 9)})
            app = world.app(relay, {"db": "db.corp:5432"})
            program = world.start([HYBRIDGE, "ping", "-f", app.path, "-c", "1000000", "-i", "1ms"])
            program.expected_status = 69
            until(lambda out=program: len(rounds(out.out)) > 1, "round trips")
            how(agent)
            assert program.wait() == 69, (program.out[-500:], program.err)
            assert "db: " in program.err and words in program.err, program.err
            assert " came back, " in program.out.splitlines()[-1], program.out[-500:]


def test_an_answer_that_does_not_come():
    with World() as world:
        relay = world.relay(["db"])
        agent = world.agent(relay, {"db": ("127.0.0.1", 9)})
        app = world.app(relay, {"db": "db.corp:5432"})
        args = ["-c", "1000000", "-i", "1ms", "--timeout", "1500ms"]
        program = world.start([HYBRIDGE, "ping", "-f", app.path, *args])
        program.expected_status = 75
        until(lambda: len(rounds(program.out)) > 1, "round trips")
        agent.signal(signal.SIGSTOP)
        try:
            assert program.wait() == 75, (program.out[-500:], program.err)
            assert "db: no answer within 1.5 s" in program.err, program.err
        finally:
            agent.signal(signal.SIGCONT)


def test_what_cannot_be_pinged():
    with World() as world:
        relay = world.relay(["db"])
        world.agent(relay, {"db": ("127.0.0.1", 9)})
        app = world.app(relay, {"db": "db.corp:5432"})
        for args, status, words in (
            (("-f", world.path("none.env")), 78, "none.env"),
            (("-f", world.path("agent1.env")), 78, "no connection with HOSTS"),
            (("-f", app.path, "dc"), 64, "no connection 'dc'"),
            (("-f", app.path, "a", "b"), 64, "one NAME"),
            (("-c", "0"), 64, "-c wants a number"),
            (("-c", "1x"), 64, "-c wants a number"),
            (("-c", "99999999999999999999"), 64, "-c wants a number"),
            (("-i", "soon"), 64, "-i wants a time"),
            (("-c",), 64, "'-c' needs a value"),
            (("--timeot", "1s"), 64, "did you mean '--timeout'"),
        ):
            result = ping(*args)
            assert (result.returncode, result.stdout) == (status, "") and words in result.stderr, (args, result)


if __name__ == "__main__":
    main()
