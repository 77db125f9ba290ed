#!/usr/bin/env python3
"""hybridge config: whether a configuration is right, what holds, and what becomes of a connect()."""

import json
import os
import re
import subprocess

import servers
from harness import BUILD, CLEAN_ENV, PYTHON, SOURCE, World, main

HYBRIDGE = os.path.join(BUILD, "hybridge")

STRING = "Endpoint=sb://r.example/;SharedAccessKeyName=n;SharedAccessKey=c2VjcmV0;EntityPath=db"
NAMES = """
import socket, sys
print(socket.getaddrinfo(sys.argv[1], None, socket.AF_INET)[0][4][0])
print(socket.getaddrinfo(sys.argv[1], None, socket.AF_INET6)[0][4][0])
"""


# Here the files decide, not the environment of the run.
PLAIN_ENV = {name: value for name, value in CLEAN_ENV.items() if not name.startswith("HYBRIDGE_")}


def config(*args, **env):
    return subprocess.run(
        [HYBRIDGE, "config", *args], env={**PLAIN_ENV, **env}, capture_output=True, text=True, timeout=60
    )


def test_check_shows_what_would_be_used():
    with World() as world:
        path = world.write_env("both.env", HYBRIDGE_DB_CONNECTION=STRING, HYBRIDGE_DB_HOSTS="db.corp:5432",
                               HYBRIDGE_ER_CONNECTION=STRING, HYBRIDGE_ER_TARGET="10.1.2.3:80")
        result = config("check", "-f", path)
        assert result.returncode == 0 and result.stderr == "", result.stderr
        first, second = result.stdout.splitlines()
        assert first == "db         wss://r.example:443/db   for programs that connect to db.corp:5432"
        assert second == "er         wss://r.example:443/db   to 10.1.2.3:80"


def test_check_is_as_strict_as_who_will_read_it():
    no_key = "Endpoint=sb://r.example/;EntityPath=db"
    with World() as world:
        for words, values in (
            ("did you mean 'HYBRIDGE_DB_HOSTS'", {"HYBRIDGE_DB_HOST": "db.corp:1"}),
            ("has no SharedAccessKey", {"HYBRIDGE_DB_CONNECTION": no_key, "HYBRIDGE_DB_TARGET": "db:1"}),
            ("no connection for a sender or an agent", {"HYBRIDGE_DB_CONNECTION": STRING}),
        ):
            result = config("check", "-f", world.write_env("bad.env", **values))
            assert result.returncode == 78 and result.stdout == "", result
            assert words in result.stderr and "\n  -> " in result.stderr, result.stderr


def test_show_tells_each_place_and_no_secret():
    with World() as world:
        path = world.write_env("app.env", HYBRIDGE_DB_CONNECTION=STRING, HYBRIDGE_DB_HOSTS="db.corp:5432",
                               HYBRIDGE_LOG_LEVEL="info", HYBRIDGE_PROXY="http://user:pa55@proxy:1")
        env = {"HYBRIDGE_LOG_LEVEL": "debug", "HYBRIDGE_KEEPALIVE": "5s"}
        result = config("show", "-f", path, **env)
        assert result.stdout.splitlines() == [
            f"HYBRIDGE_DB_CONNECTION='(hidden)'   # {path}:1",
            f"HYBRIDGE_DB_HOSTS='db.corp:5432'   # {path}:2",
            "HYBRIDGE_LOG_LEVEL='debug'   # environment",
            f"HYBRIDGE_PROXY='(hidden)'   # {path}:4",
            "HYBRIDGE_KEEPALIVE='5s'   # environment",
        ], result.stdout
        twin = json.loads(config("show", "--json", "-f", path, **env).stdout)
        assert twin["schema"] == 1 and twin["file"] == path and len(twin["settings"]) == 5
        assert twin["settings"][0] == {"name": "HYBRIDGE_DB_CONNECTION", "value": None, "secret": True,
                                       "from": "file", "line": 1}
        assert twin["settings"][2]["value"] == "debug" and twin["settings"][2]["from"] == "environment"


def test_explain_says_what_programs_meet():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        world.agent(relay, {"db": target.at})
        app = world.app(relay, {"db": "db.corp:5432 *.corp:80 10.1.0.0/16:22"})
        for place, words in (
            ("db.corp:5432", f"goes through 'db': hybrid connection db at wss://localhost:{relay.port}"),
            ("DB.corp.:5432", "goes through 'db'"),
            ("www.corp:80", "goes through 'db'"),
            ("10.1.2.3:22", "by its address"),
            ("db.corp:1", "ECONNREFUSED"),
            ("10.1.2.3:1", "ECONNREFUSED"),
            ("corp:80", "goes out directly"),
            ("10.2.2.3:22", "goes out directly"),
        ):
            result = config("explain", "-f", app.path, place)
            assert result.returncode == 0 and result.stdout.startswith(place), result
            assert words in result.stdout, result.stdout
        for name in "db.corp", "www.corp":
            told = re.findall(r"[0-9a-f:.]+:[0-9a-f:.]+|\d+\.\d+\.\d+\.\d+",
                              config("explain", "-f", app.path, f"{name}:{'80' if name[0] == 'w' else '5432'}")
                              .stdout.splitlines()[1])
            program = app.run([PYTHON, "-c", NAMES, name])
            assert program.out.split() == told, (program.out, told)


def test_keys_are_those_of_the_table():
    result = config("keys")
    assert result.returncode == 0
    names = re.findall(r"^(HYBRIDGE_[A-Z0-9_*]+)=", result.stdout, re.M)
    with open(os.path.join(SOURCE, "common", "config_keys.c"), encoding="utf-8") as source:
        table = re.findall(r'\{"(HYBRIDGE_[A-Z0-9_*]+)"', source.read())
    assert names == table and len(names) > 20


def test_a_wrong_command_line():
    for args in (), ("shw",), ("check", "x"), ("explain",), ("explain", "x"), ("explain", "a:1", "b:2"), ("keys", "--json"):
        result = config(*args)
        assert result.returncode == 64 and "\n  -> " in result.stderr, (args, result)


if __name__ == "__main__":
    main()
