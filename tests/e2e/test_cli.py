#!/usr/bin/env python3
"""The hybridge command: keys, status, run and dev, as a person uses them."""

import json
import os
import re
import signal
import stat
import subprocess

import servers
from harness import BUILD, CLEAN_ENV, PYTHON, World, main, until



HYBRIDGE = os.path.join(BUILD, "hybridge")

ASK = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
s.sendall(b"hello"); s.shutdown(socket.SHUT_WR)
got = b""
while True:
    more = s.recv(4096)
    if not more:
        break
    got += more
print(got.decode())
"""


def run(*args, env=None, stdin="", cwd=None):
    return subprocess.run(
        [HYBRIDGE, *args],
        env={**CLEAN_ENV, **(env or {})},
        input=stdin,
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=60,
    )


def test_version_is_for_people_and_for_programs():
    assert re.fullmatch(r"hybridge \d+\.\d+\.\d+\n", run("version").stdout)
    assert json.loads(run("version", "--json").stdout)["schema"] == 1


def test_every_command_has_help_that_ends_with_examples():
    overview = run("--help").stdout
    for name in re.findall(r"^  (\w+) ", overview, re.M):
        result = run(name, "--help")
        assert result.returncode == 0, name
        assert len(re.findall(r"^  .*hybridge " + name, result.stdout, re.M)) >= 2, result.stdout


def test_a_wrong_command_line_says_what_is_meant():
    result = run("staus")
    assert result.returncode == 64 and "did you mean 'hybridge status'" in result.stderr
    assert run("run").returncode == 64
    assert run("dev", "db.corp:5432").returncode == 64
    assert "-> write HOST:PORT=TARGET:PORT" in run("dev", "db.corp:5432").stderr


def test_key_new_makes_private_files_and_never_overwrites():
    with World() as world:
        result = run("key", "new", "--hc", "erp", "--relay", "wss://relay.example:8443", cwd=world.folder)
        assert result.returncode == 0, result.stderr
        for name in ("erp.env", "erp-send.connection", "erp-listen.connection"):
            assert stat.S_IMODE(os.stat(world.path(name)).st_mode) == 0o600
        with open(world.path("erp-send.connection"), encoding="ascii") as file:
            string = file.read()
        assert string.startswith("Endpoint=sb://relay.example:8443/;SharedAccessKeyName=defaultSender;")
        again = run("key", "new", "--hc", "erp", cwd=world.folder)
        assert again.returncode == 71 and "never overwritten" in again.stderr
        with open(world.path("erp-send.connection"), encoding="ascii") as file:
            assert file.read() == string


def test_key_inspect_shows_everything_but_the_key():
    string = "Endpoint=sb://r.example/;SharedAccessKeyName=n;SharedAccessKey=s3cret;EntityPath=erp\n"
    result = run("key", "inspect", stdin=string)
    assert "wss://r.example:443" in result.stdout and "sha256:" in result.stdout
    assert "s3cret" not in result.stdout + result.stderr


def test_key_token_is_one_that_the_relay_takes():
    with World() as world:
        relay = world.relay(["db"])
        echo = world.background(servers.echo())
        world.agent(relay, {"db": echo.at})
        token = run("key", "token", "--ttl", "5m", stdin=relay.connection("db", "send") + "\n")
        assert token.returncode == 0 and "expires " in token.stderr
        string = relay.connection("db", "send", token=token.stdout.strip())
        app = world.app(relay, {"db": "db.corp:5432"}, strings={"db": string})
        assert app.run([PYTHON, "-c", ASK, "db.corp", "5432"]).out == "hello\n"


def test_status_says_when_no_sender_runs_and_how_one_starts():
    with World() as world:
        result = run("status", env={"HYBRIDGE_SOCKET": world.path("none.sock")})
        assert result.returncode == 75
        assert "the sender is not running" in result.stderr and "-> " in result.stderr


def test_status_names_the_log_of_a_sender_that_did_not_start():
    with World() as world:
        log = world.path("none.sock.log")
        with open(log, "w", encoding="utf-8") as file:
            file.write("hybridge: what was wrong\n")
        result = run("status", env={"HYBRIDGE_SOCKET": world.path("none.sock")})
        assert result.returncode == 75 and f"the end of {log} says why" in result.stderr, result.stderr


def test_status_leads_with_trouble_and_has_a_json_twin():
    with World() as world:
        relay = world.relay(["db"])
        app = world.app(relay, {"db": "db.corp:5432"})
        app.sender()
        assert run("status", "-f", app.path).returncode == 0
        assert app.run([PYTHON, "-c", ASK, "db.corp", "5432"]).status != 0
        result = run("status", "-f", app.path)
        assert result.returncode == 69 and "! db  nobody listens" in result.stdout, result.stdout
        assert f"  each step: hybridge doctor -f {app.path} db\n" in result.stdout, result.stdout
        twin = json.loads(run("status", "-f", app.path, "--json").stdout)
        assert twin["connections"][0]["state"] == "failing"
        assert run("status", "-f", app.path, "other").returncode == 64


def test_run_gives_the_programs_own_status_and_hides_the_keys():
    with World() as world:
        relay = world.relay(["db"])
        echo = world.background(servers.echo())
        world.agent(relay, {"db": echo.at})
        app = world.app(relay, {"db": "db.corp:5432"})
        result = run("run", "-f", app.path, "--", PYTHON, "-c", ASK, "db.corp", "5432")
        assert result.stdout == "hello\n", result.stderr
        assert run("run", "-f", app.path, "sh", "-c", "exit 7").returncode == 7
        assert run("run", "-f", app.path, "no-such-program").returncode == 127
        # Everything in the environment: the keys must not reach the program.
        env = {
            "HYBRIDGE_DB_CONNECTION": relay.connection("db", "send"),
            "HYBRIDGE_DB_HOSTS": "db.corp:5432",
            "HYBRIDGE_CA_FILE": world.authority.path,
            "XDG_RUNTIME_DIR": world.folder,
        }
        program = ASK + "\nimport os; print([k for k in os.environ if 'CONNECTION' in k])"
        result = run("run", PYTHON, "-c", program, "db.corp", "5432", env=env)
        assert result.stdout == "hello\n[]\n", result.stderr
        until(
            lambda: not [name for name in os.listdir("/proc") if name.isdigit() and "hybridge-run-" in cmdline_env(name)],
            "the end of the private sender",
        )


def cmdline_env(pid):
    """What would show that a private sender lives: the path of its socket."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def test_dev_runs_a_command_and_leaves_nothing_behind():
    with World() as world:
        echo = world.background(servers.echo())
        env = {"XDG_RUNTIME_DIR": world.folder}
        before = sorted(os.listdir(world.folder))
        result = run("dev", f"db.corp:5432=127.0.0.1:{echo.at[1]}", "--", PYTHON, "-c", ASK, "db.corp", "5432", env=env)
        assert result.stdout == "hello\n" and result.returncode == 0, result.stderr
        assert sorted(os.listdir(world.folder)) == before
        assert run("dev", f"a.corp:1=127.0.0.1:{echo.at[1]}", "--", "sh", "-c", "exit 3", env=env).returncode == 3


def test_dev_waits_for_ctrl_c_and_hybridge_run_finds_it():
    with World() as world:
        echo = world.background(servers.echo())
        env = {**CLEAN_ENV, "XDG_RUNTIME_DIR": world.folder}
        dev = world.start([HYBRIDGE, "dev", f"db.corp:5432=127.0.0.1:{echo.at[1]}"], env=env)
        until(lambda: "Ctrl-C" in dev.out, "that dev is ready")
        result = run("run", "--", PYTHON, "-c", ASK, "db.corp", "5432", env={"XDG_RUNTIME_DIR": world.folder})
        assert result.stdout == "hello\n", result.stderr
        dev.signal(signal.SIGINT)
        assert dev.wait() == 0
        left = [name for name in os.listdir(world.folder) if name.startswith("hybridge-dev-")]
        assert not left and not os.path.lexists(world.path("hybridge/dev.env"))


if __name__ == "__main__":
    main()
