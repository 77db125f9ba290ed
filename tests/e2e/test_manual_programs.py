#!/usr/bin/env python3
"""What the manual pages promise, tried out: examples, exit statuses, readiness and metrics."""

import os
import re
import urllib.error
import urllib.request

import manual
import servers
from harness import CLEAN_ENV, PYTHON, World, main, until
from manual import DAEMONS, examples, page, part, run, statuses

STRING = "Endpoint=sb://relay.example/;SharedAccessKeyName=n;SharedAccessKey=k;EntityPath={}"


def write(world, name, text):
    """An example, its absolute paths below the world's folder; returns its path."""
    text = re.sub(r"='/etc/hybridge/", f"='{world.folder}/", text)
    os.makedirs(os.path.dirname(world.path(name)), exist_ok=True)
    with open(world.path(name), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
    return world.path(name)


def write_connections(world):
    for name in ("sql-send", "mail-send", "sql-listen"):
        write(world, f"{name}.connection", STRING.format(name) + "\n")


def start(world, daemon, file, **options):
    return world.start([os.path.join(manual.BUILD, daemon), "-f", file], **options)


def test_the_examples_for_programs_are_read_by_the_command_and_the_sender():
    for name in ("app.env", "identity.env"):
        with World() as world:
            write_connections(world)
            file = write(world, name, examples("hybridge.env.5")[name])
            env = {"HYBRIDGE_SOCKET": world.path("sender.sock")}
            done = run("hybridge", "run", "-f", file, "--", PYTHON, "-c", "", env=env)
            assert done.returncode == 0, (name, done.stderr)
            env = {**CLEAN_ENV, **env}
            sender = start(world, "hybridge-sender", file, ready=True, env=env)
            done = run("hybridge", "status", "-f", file, env=env)
            assert done.returncode == 0 and ".corp:" in done.stdout, (name, done.stdout)
            assert sender.stop() == 0


def test_the_example_for_an_agent_is_read_by_it():
    with World() as world:
        write_connections(world)
        text = examples("hybridge.env.5")["agent.env"]
        text = text.replace("127.0.0.1:9472", f"127.0.0.1:{servers.free_port()}")
        agent = start(world, "hybridge-agent", write(world, "agent.env", text))
        agent.wait_log("started")
        assert agent.stop() == 0


def test_the_examples_for_a_relay_are_read_by_it():
    with World() as world:
        files = examples("hybridge-relay.env.5")
        write(world, "relay.d/db.env", files["relay.d/db.env"])
        cert, key = world.authority.leaf
        text = files["relay.env"].replace("0.0.0.0:443", "127.0.0.1:0").replace(":9473", ":0")
        text = text.replace("/etc/hybridge/relay.crt", cert).replace("/etc/hybridge/relay.key", key)
        relay = start(world, "hybridge-relay", write(world, "relay.env", text), ready=True)
        relay.wait_log("entities=1")
        assert relay.stop() == 0


def test_every_example_file_is_tried_here():
    names = {name for page_name in manual.PAGES for name in examples(page_name)}
    assert names == {"app.env", "identity.env", "agent.env", "relay.env", "relay.d/db.env"}, names


def shown(program, *args, **env):
    """The exit status of a program that does not start; nothing is left if it does."""
    return run(program, *args, env=env).returncode


def test_each_exit_status_of_the_daemons_happens_as_their_pages_say():
    with World() as world:
        relay = world.relay(["db"], HYBRIDGE_STATUS_LISTEN="127.0.0.1:0")
        app = world.app(relay, {"db": "db.corp:5432"})
        sender = app.sender()
        taken = {"HYBRIDGE_STATUS_LISTEN": f"{relay.host}:{relay.port}"}
        another = {**taken, "HYBRIDGE_SOCKET": world.path("another.sock")}
        agents = world.write_env(
            "agents.env", HYBRIDGE_DB_CONNECTION=STRING.format("db"), HYBRIDGE_DB_TARGET="a.corp:1"
        )
        os.mkdir(world.path("none.d"))
        relays = world.write_env(
            "relays.env",
            HYBRIDGE_RELAY_LISTEN=f"{relay.host}:{relay.port}",
            HYBRIDGE_RELAY_DIR=world.path("none.d"),
        )
        wrong = world.write_env("wrong", HYBRIDGE_NO_SUCH_KEY="x")
        happens = {
            "hybridge-sender": {71: ("-f", app.path, another), 75: ("-f", app.path, {})},
            "hybridge-agent": {71: ("-f", agents, taken)},
            "hybridge-relay": {71: ("-f", relays, {})},
        }
        for daemon, cases in happens.items():
            cases = {**cases, 64: ("--no-such-option", {}), 78: ("-f", wrong, {})}
            assert set(cases) | {0} == set(statuses(page(f"{daemon}.8"))), daemon
            for status, (*args, env) in cases.items():
                assert shown(daemon, *args, **env) == status, (daemon, status)
        assert sender.stop() == 0 and relay.stop() == 0


def test_each_exit_status_of_the_command_happens_as_its_page_says():
    with World() as world:
        relay = world.relay(["db"])
        app = world.app(relay, {"db": "db.corp:5432"})
        none = {"HYBRIDGE_SOCKET": world.path("none.sock")}
        plain = world.write_env("plain")
        assert shown("hybridge", "status", "-f", plain, **none) == 75
        assert shown("hybridge", "logs", "-f", plain, PATH=world.folder, **none) == 69
        app.sender()
        assert shown("hybridge", "status", "-f", app.path) == 0
        assert shown("hybridge", "status", "-f", app.path, "other") == 64
        code = "import socket; socket.create_connection(('db.corp', 5432))"
        assert app.run([PYTHON, "-c", code]).status != 0  # no agent
        assert shown("hybridge", "status", "-f", app.path) == 69
        assert shown("hybridge", "status", "-f", world.write_env("wrong", HYBRIDGE_X="1")) == 78
        assert shown("hybridge", "key", "new", "--hc", "a", "--dir", world.path("missing")) == 71
        assert shown("hybridge", "key", "new") == 64
        assert shown("hybridge", "run", "-f", world.path("missing"), "true") == 125
        assert shown("hybridge", "run", "-f", app.path, world.folder) == 126
        # A folder that one may not look into would be another status: execvp(3).
        path = {"PATH": "/usr/bin:/bin"}
        assert shown("hybridge", "run", "-f", app.path, "no-such-program", **path) == 127
        die = ("sh", "-c", "kill -9 $$")
        assert shown("hybridge", "run", "-f", app.path, "--strict", *die) == 128 + 9
        assert shown("hybridge", "run", "-f", app.path, *die) == -9


def fetch(address, path):
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_daemons_serve_what_their_pages_say():
    at = {daemon: f"127.0.0.1:{servers.free_port()}" for daemon in DAEMONS}
    with World() as world:
        here = {daemon: {"HYBRIDGE_STATUS_LISTEN": at[daemon]} for daemon in DAEMONS}
        relay = world.relay(["db"], HYBRIDGE_RELAY_WORKERS="2", **here["hybridge-relay"])
        echo = world.background(servers.echo())
        agent = world.agent(relay, {"db": echo.at}, **here["hybridge-agent"])
        app = world.app(relay, {"db": "db.corp:5432"}, **here["hybridge-sender"])
        sender = app.sender()
        for daemon in DAEMONS:
            assert fetch(at[daemon], "/readyz")[0] == 200
            assert fetch(at[daemon], "/livez")[0] == 200
            served = set(re.findall(r"^# TYPE (\w+)", fetch(at[daemon], "/metrics")[1], re.M))
            said = set(re.findall(r"\b(?:hybridge|process)_\w+", part(page(f"{daemon}.8"), "Ss", "Watching")))
            assert said == served, (daemon, said ^ served)
        assert sender.ready == app.socket and re.fullmatch(r"connections=1 up=1", agent.ready)
        assert relay.stop() == 0
        until(lambda: fetch(at["hybridge-agent"], "/readyz")[0] == 503, "agent without relay")


if __name__ == "__main__":
    main()
