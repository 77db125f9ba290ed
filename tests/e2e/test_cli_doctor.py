#!/usr/bin/env python3
"""hybridge doctor: for each way in which a connection may not work, the step at which it says so."""

import contextlib
import json
import os
import subprocess
import time

import clients
import servers
from certificates import Authority
from harness import BUILD, CLEAN_ENV, World, main, new_key, until
from test_proxy import Proxy

HYBRIDGE = os.path.join(BUILD, "hybridge")

# What a program's side checks of a connection, in this order.
STEPS = ["dns", "tcp", "tls", "relay", "token", "listener", "service", "echo"]


def doctor(*args, **env):
    return subprocess.run(
        [HYBRIDGE, "doctor", *args], env={**CLEAN_ENV, **env}, capture_output=True, text=True, timeout=60
    )


class Findings:
    """What doctor says of a file, by check; a check that was made twice has its last."""

    def __init__(self, path, status, *args):
        result = doctor("-f", path, "--json", *args)
        assert result.returncode == status, (result.returncode, result.stdout, result.stderr)
        self.root = json.loads(result.stdout)
        self.rows = {row["check"]: row for row in self.root["checks"]}

    def expect(self, check, state, *words):
        row = self.rows[check]
        assert row["state"] == state, row
        for word in words:
            assert word in row["text"] + "  -> " + row["hint"], row

    def expect_failure(self, check, *words):
        """All before it passed, all behind it was not tried."""
        for step in STEPS[:STEPS.index(check)]:
            self.expect(step, "PASS")
        self.expect(check, "FAIL", *words)
        assert self.rows[check]["hint"], self.rows[check]
        for step in STEPS[STEPS.index(check) + 1:]:
            self.expect(step, "SKIP")
        assert (self.root["failed"], self.root["skipped"]) == (1, len(STEPS) - STEPS.index(check) - 1)


@contextlib.contextmanager
def world_with_agent():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        agent = world.agent(relay, {"db": target.at})
        yield world, relay, target, agent


def test_a_connection_that_works_passes_each_step():
    with world_with_agent() as (world, relay, target, _):
        app = world.app(relay, {"db": "db.corp:5432"})
        found = Findings(app.path, 0)
        for step in STEPS:
            found.expect(step, "PASS")
        found.expect("echo", "PASS", "hybridge-agent/", "ms there and back")
        found.expect("config", "PASS", "1 connection")
        found.expect("sender", "NONE", "not running")
        assert target.accepted == 1, "the service was to get one connection"
        assert found.root["failed"] == found.root["warned"] == found.root["skipped"] == 0


def test_people_read_rows_and_a_sum():
    with world_with_agent() as (world, relay, _, agent):
        app = world.app(relay, {"db": "db.corp:5432"})
        good = doctor("-f", app.path)
        assert good.returncode == 0 and good.stdout.endswith("\nall is well\n"), good.stdout
        assert "\ndb  db.corp:5432\ndns " in good.stdout and "service   db.corp:5432 " in good.stdout
        assert agent.stop() == 0
        bad = doctor("-f", app.path)
        assert bad.returncode == 69 and bad.stdout.endswith("\n1 failed, 2 not tried because of it\n"), bad.stdout
        assert "FAIL  nobody listens on hybrid connection db" in bad.stdout and "-> start the agent" in bad.stdout
        secrets = relay.rules["db"].values()
        assert not any(secret in good.stdout + bad.stdout for secret in secrets)


def test_each_step_that_may_fail():
    with servers.refusing() as nobody, world_with_agent() as (world, relay, _, agent):
        other = Authority(world.path("other-ca"), "somebody else")
        send = relay.connection("db", "send")
        cases = [
            ("dns", send.replace("localhost", "relay.invalid"), {}, "relay.invalid"),
            ("tcp", relay.connection("db", "send", port=nobody[1]), {}, "Connection refused", "HYBRIDGE_PROXY"),
            ("tls", send, {"HYBRIDGE_CA_FILE": other.path}, "certificate of localhost"),
            ("token", relay.connection("db", "send", key=new_key()), {}, "401", "SharedAccessKey"),
            ("token", relay.connection("db", "listen"), {}, "403", "Send right"),
            ("listener", send.replace("EntityPath=db", "EntityPath=other"), {}, "does not exist", "EntityPath"),
        ]
        for step, string, keys, *words in cases:
            print("# case:", step, *words)
            app = world.app(relay, {"db": "db.corp:5432"}, strings={"db": string}, **keys)
            Findings(app.path, 69).expect_failure(step, *words)
        assert agent.stop() == 0
        app = world.app(relay, {"db": "db.corp:5432"})
        Findings(app.path, 69).expect_failure("listener", "nobody listens", "start the agent")
        world.agent(relay, {"db": nobody})
        Findings(app.path, 69).expect_failure("service", "ECONNREFUSED", "the service")


def test_what_is_no_relay():
    with world_with_agent() as (world, relay, target, _):
        string = f"Endpoint=ws://127.0.0.1:{target.at[1]};SharedAccessKeyName=n;SharedAccessKey={new_key()};EntityPath=db"
        app = world.app(relay, {"db": "db.corp:5432"}, strings={"db": string})
        found = Findings(app.path, 69)
        found.expect("tls", "WARN", "in the clear")
        found.expect("relay", "FAIL", "not HTTP", "is a relay")
        found.expect("token", "SKIP")


def test_a_clock_that_is_wrong():
    there = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 3 * 3600 + 60))
    with servers.answering(f"401 ExpiredToken. TrackingId:x_G0, Timestamp:{there}") as ahead, World() as world:
        string = f"Endpoint=ws://127.0.0.1:{ahead.at[1]};SharedAccessKeyName=n;SharedAccessKey={new_key()};EntityPath=db"
        keys = {"HYBRIDGE_DB_CONNECTION": string}
        for role in {"HYBRIDGE_DB_HOSTS": "db.corp:5432"}, {"HYBRIDGE_DB_TARGET": f"127.0.0.1:{ahead.at[1]}"}:
            found = Findings(world.write_env("wrong.env", **keys, **role), 69)
            found.expect("clock", "FAIL", "3 hours behind the relay's", "set this machine's clock")
            found.expect("token", "FAIL", "401 ExpiredToken")


def test_an_agents_side_is_checked_from_there():
    with servers.refusing() as nobody, world_with_agent() as (world, relay, target, agent):
        path = world.path("agent1.env")
        found = Findings(path, 0)
        for step in ("dns", "tcp", "tls", "token", "target"):
            found.expect(step, "PASS")
        found.expect("listener", "PASS", "1 connected")
        assert "service" not in found.rows and "sender" not in found.rows
        assert target.accepted == 1
        assert agent.stop() == 0
        Findings(path, 0).expect("listener", "WARN", "no agent", f"hybridge-agent -f {path}")
        world.agent(relay, {"db": nobody})
        found = Findings(world.path("agent2.env"), 69)
        found.expect("target", "FAIL", "Connection refused", "the service")
        wrong = {"HYBRIDGE_DB_CONNECTION": relay.connection("db", "send"), "HYBRIDGE_DB_TARGET": "127.0.0.1:1"}
        wrong = world.write_env("wrong.env", HYBRIDGE_CA_FILE=world.authority.path, **wrong)
        Findings(wrong, 69).expect("token", "FAIL", "Listen right")


def test_a_file_for_both_sides_is_checked_as_both():
    with world_with_agent() as (world, relay, target, _):
        keys = {"HYBRIDGE_DB_CONNECTION": relay.connection("db", "send"), "HYBRIDGE_DB_HOSTS": "db.corp:5432",
                "HYBRIDGE_DB_TARGET": f"127.0.0.1:{target.at[1]}", "HYBRIDGE_CA_FILE": world.authority.path}
        found = Findings(world.write_env("both.env", **keys), 69)
        found.expect("service", "PASS")
        found.expect("target", "PASS")
        found.expect("token", "FAIL", "Listen right")


def test_the_sender_that_runs_is_looked_at():
    with world_with_agent() as (world, relay, _, agent):
        app = world.app(relay, {"db": "db.corp:5432"})
        sender = app.sender()
        Findings(app.path, 0).expect("sender", "PASS", f"running, for {app.path}")
        copy = world.path("copy.env")
        with open(app.path, encoding="utf-8") as source:
            text = source.read()
        with open(os.open(copy, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        Findings(copy, 0).expect("sender", "WARN", app.path, "HYBRIDGE_SOCKET")
        assert agent.stop() == 0
        clients.expect_verdict(app, "db.corp", 5432, "ECONNREFUSED")
        world.agent(relay, {"db": ("127.0.0.1", 9)})
        found = Findings(app.path, 69)
        found.expect("lately", "WARN", "failed", "nobody listens")
        assert sender.stop() == 0
        assert "lately" not in Findings(app.path, 69).rows


def test_by_way_of_a_proxy():
    with world_with_agent() as (world, relay, _, _agent):
        proxy = Proxy(world)
        app = world.app(relay, {"db": "db.corp:5432"}, HYBRIDGE_PROXY=proxy.url)
        found = Findings(app.path, 0)
        found.expect("dns", "NONE", "proxy")
        found.expect("tcp", "PASS", "by way of the proxy")
        found.expect("service", "PASS")
        until(lambda: proxy.connects(relay) == 3, "all connections in the proxy's log")
        wrong = proxy.url.replace("pa55word", "other")
        app = world.app(relay, {"db": "db.corp:5432"}, HYBRIDGE_PROXY=wrong)
        found = Findings(app.path, 69)
        found.expect("tcp", "FAIL", "the proxy")
        assert "other" not in found.rows["tcp"]["text"] + found.rows["tcp"]["hint"]


def test_azbridges_way_and_tokens_of_a_command():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        world.agent(relay, {"db": target.at}, HYBRIDGE_DB_MODE="azbridge")
        string = relay.connection("db", "send").split("SharedAccessKeyName")[0] + "EntityPath=db"
        token = relay.token("db", "send", 3600)
        app = world.app(relay, {"db": "db.corp:5432"}, strings={"db": string}, HYBRIDGE_DB_MODE="azbridge",
                        HYBRIDGE_DB_TOKEN_COMMAND=f'echo "{token}"')
        found = Findings(app.path, 0)
        found.expect("token", "PASS", "may send")
        found.expect("service", "PASS")
        app = world.app(relay, {"db": "db.corp:5432"}, strings={"db": string}, HYBRIDGE_DB_TOKEN_COMMAND="exit 3")
        found = Findings(app.path, 69)
        found.expect("token", "FAIL", "3")
        found.expect("service", "SKIP")


def test_within_hybridge_dev():
    with servers.echo() as target:
        argv = [HYBRIDGE, "dev", f"db.corp:5432=127.0.0.1:{target.at[1]}", "--", HYBRIDGE, "doctor"]
        result = subprocess.run(argv, env=CLEAN_ENV, capture_output=True, text=True, timeout=60)
        assert result.returncode == 0 and "all is well" in result.stdout, result.stdout + result.stderr


def test_what_cannot_be_checked():
    with World() as world:
        env = world.write_env("empty.env")
        for args, status, words in (
            (("-f", world.path("none.env")), 78, "none.env"),
            (("-f", env), 78, "no connection to check"),
            ((), 78, "hybridge doctor -f FILE"),
            (("a", "b"), 64, "one NAME"),
            (("--jsn",), 64, "did you mean '--json'"),
        ):
            result = doctor(*args)
            assert result.returncode == status and words in result.stderr, (args, result)
    with world_with_agent() as (world, relay, _, _agent):
        app = world.app(relay, {"db": "db.corp:5432"})
        result = doctor("-f", app.path, "dc")
        assert result.returncode == 64 and "no connection 'dc'" in result.stderr


if __name__ == "__main__":
    main()
