#!/usr/bin/env python3
"""The program `hybridge` as its users meet it: help, keys, status, run and dev."""

import contextlib
import json
import os
import re
import signal
import stat
import subprocess
import time

import sas
import servers
from harness import BUILD, CLEAN_ENV, DEADLINE, PYTHON, SHIM, World, main, new_key, read_proc, until

HYBRIDGE = os.path.join(BUILD, "hybridge")
COMMANDS = ("run", "dev", "status", "key", "version")

# Says what the target of a connection sent back, as one line.
ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 20) as it:
    it.sendall(b"hello")
    print("answer", it.recv(5).decode())
"""


class Result:
    def __init__(self, done):
        self.status = done.returncode
        self.out = done.stdout
        self.err = done.stderr


def hybridge(*args, text="", cwd=None, env=None, **more):
    """Runs hybridge to its end."""
    done = subprocess.run(
        [HYBRIDGE, *args],
        input=text,
        cwd=cwd,
        env={**(CLEAN_ENV if env is None else env), **more},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    return Result(done)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def connection(key, name="defaultSender", entity="erp"):
    return (
        f"Endpoint=sb://relay.example/;SharedAccessKeyName={name};"
        f"SharedAccessKey={key};EntityPath={entity}"
    )


# Help and mistakes


def test_every_command_explains_itself_with_two_examples():
    overview = hybridge("--help")
    assert overview.status == 0, overview.err
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", overview.out, re.M), overview.out
        for flag in ("--help", "-h"):
            shown = hybridge(command, flag)
            assert shown.status == 0 and not shown.err, (command, shown.err)
            assert shown.out.startswith(f"Usage: hybridge {command}"), shown.out
            examples = shown.out.rstrip().splitlines()[-2:]
            assert all(line.startswith("  ") and "hybridge" in line for line in examples), shown.out


def test_a_mistyped_command_is_answered_with_a_suggestion():
    for typed, meant in (("stauts", "status"), ("rnu", "run"), ("kye", "key")):
        shown = hybridge(typed)
        assert shown.status == 64 and not shown.out, shown.out
        assert f"'{typed}' is not a command" in shown.err, shown.err
        assert f"-> did you mean 'hybridge {meant}'?" in shown.err, shown.err


def test_a_wrong_option_is_a_usage_error_on_standard_error():
    for args in (["status", "--wrong"], ["run", "--wrong", "true"], ["run"], ["dev"], ["key"],
                 ["key", "new"], ["dev", "db.corp"], ["dev", "db.corp:1=nowhere"]):
        shown = hybridge(*args)
        assert shown.status == 64, (args, shown.status, shown.err)
        assert shown.err.startswith("hybridge: ") and "\n  -> " in shown.err, (args, shown.err)
        assert not shown.out, (args, shown.out)


def test_version_is_said_for_people_and_for_programs():
    words = hybridge("version").out.split()
    assert words[0] == "hybridge" and re.fullmatch(r"\d+\.\d+\.\d+", words[1]), words
    assert json.loads(hybridge("version", "--json").out)["version"] == words[1]
    assert hybridge("--version").out.split() == words


# Keys


def test_key_new_writes_private_files_that_fit_together():
    with World() as world:
        shown = hybridge("key", "new", "--hc", "erp", "--relay", "wss://relay.example:8443",
                         cwd=world.folder)
        assert shown.status == 0, shown.err
        rules = dict(
            line.split("=", 1)
            for line in read(world.path("erp.env")).splitlines()
            if not line.startswith("#")
        )
        assert rules["HYBRIDGE_RELAY_ENTITY"] == "erp", rules
        for file, rule, right in (("listen", "LISTENER", "listen"), ("send", "SENDER", "send")):
            path = world.path(f"erp-{file}.connection")
            assert mode(path) == 0o600 and mode(world.path("erp.env")) == 0o600
            key = rules[f"HYBRIDGE_RULE_{rule}_KEY"]
            name = rules[f"HYBRIDGE_RULE_{rule}_NAME"]
            assert re.fullmatch(r"[A-Za-z0-9+/]{43}=", key), "not 32 bytes in base64"
            assert rules[f"HYBRIDGE_RULE_{rule}_RIGHTS"] == right, rules
            assert read(path).strip() == (
                f"Endpoint=sb://relay.example:8443/;SharedAccessKeyName={name};"
                f"SharedAccessKey={key};EntityPath=erp"
            )
            assert key not in shown.out + shown.err, "a key was shown"
        assert rules["HYBRIDGE_RULE_LISTENER_KEY"] != rules["HYBRIDGE_RULE_SENDER_KEY"]


def test_key_new_keeps_the_relays_scheme_and_address():
    with World() as world:
        for hc, relay, endpoint in (("a", "ws://127.0.0.1:8080", "ws://127.0.0.1:8080/"),
                                    ("b", "wss://[::1]:8443", "sb://[::1]:8443/"),
                                    ("c", "sb://contoso.example/", "sb://contoso.example/")):
            shown = hybridge("key", "new", "--hc", hc, "--relay", relay, "--dir", world.folder)
            assert shown.status == 0, (relay, shown.err)
            text = read(world.path(f"{hc}-send.connection"))
            assert text.startswith(f"Endpoint={endpoint};"), (relay, text.split(";")[0])
        shown = hybridge("key", "new", "--hc", "d", "--relay", "nonsense", "--dir", world.folder)
        assert shown.status == 78 and not os.path.exists(world.path("d.env")), shown.err


def test_key_new_never_overwrites():
    with World() as world:
        for file in ("erp.env", "erp-listen.connection", "erp-send.connection"):
            folder = world.path(file + ".d")
            os.mkdir(folder)
            with open(os.path.join(folder, file), "w", encoding="utf-8") as old:
                old.write("precious\n")
            shown = hybridge("key", "new", "--hc", "erp", "--dir", folder)
            assert shown.status != 0, file
            assert file in shown.err and "  -> " in shown.err, shown.err
            assert read(os.path.join(folder, file)) == "precious\n"


def test_key_new_takes_no_name_that_leaves_the_folder():
    with World() as world:
        before = sorted(os.listdir(world.folder))
        for name in ("../evil", "a/b", ".hidden", "a b", ""):
            shown = hybridge("key", "new", "--hc", name, "--dir", world.folder)
            assert shown.status == 64, (name, shown.status)
        assert sorted(os.listdir(world.folder)) == before


def test_key_token_is_what_the_key_signs():
    key = new_key()
    before = int(time.time())
    shown = hybridge("key", "token", "--ttl", "10m", text=connection(key) + "\n")
    after = int(time.time())
    assert shown.status == 0, shown.err
    expiry = int(re.search(r"&se=(\d+)", shown.out).group(1))
    assert before + 600 <= expiry <= after + 600, expiry - before
    expected = sas.token("http://relay.example/erp", "defaultSender", key, expiry)
    assert shown.out == expected + "\n", shown.out
    said = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expiry))
    assert said in shown.err and key not in shown.err, shown.err


def test_a_token_in_a_file_that_all_can_read_is_warned_of():
    with World() as world:
        for bits, warned in ((0o644, True), (0o600, False)):
            path = world.path("token")
            with open(os.open(path, os.O_CREAT | os.O_WRONLY, bits), "w", encoding="utf-8") as out:
                os.fchmod(out.fileno(), bits)
                done = subprocess.run([HYBRIDGE, "key", "token"], input=connection(new_key()), stdout=out,
                                      stderr=subprocess.PIPE, text=True, env=CLEAN_ENV, check=True)
            assert ("warning" in done.stderr) == warned, (oct(bits), done.stderr)


def test_key_inspect_shows_everything_but_the_key():
    key = new_key()
    shown = hybridge("key", "inspect", text=connection(key))
    assert shown.status == 0, shown.err
    for part in ("relay.example", "erp", "defaultSender"):
        assert part in shown.out, shown.out
    assert re.search(r"sha256:[0-9a-f]{12}$", shown.out, re.M), shown.out
    assert key not in shown.out and key[:8] not in shown.out, shown.out


def test_a_secret_on_the_command_line_is_refused():
    key = new_key()
    for what in ("token", "inspect"):
        shown = hybridge("key", what, connection(key))
        assert shown.status == 64, shown.status
        assert key not in shown.out + shown.err, "a key was shown"


# Status


def test_status_without_a_sender_says_so_and_how_to_start_one():
    with World() as world:
        env = world.write_env("app.env", HYBRIDGE_SOCKET=world.path("no.sock"))
        for args in (["-f", env], ["-f", env, "--json"], ["-f", env, "erp"]):
            shown = hybridge("status", *args)
            assert shown.status == 75, shown.status
            assert "the sender is not running" in shown.err, shown.err
            assert world.path("no.sock") in shown.err and "  -> " in shown.err, shown.err
            assert not shown.out, shown.out


@contextlib.contextmanager
def relayed_world(agent=True):
    """A world whose db.corp:5432 echoes; yields it and the app, its sender started."""
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        if agent:
            world.agent(relay, {"db": target.at})
        app = world.app(relay, {"db": "db.corp:5432"})
        app.sender()
        yield world, app


def ask(app, host="db.corp", port=5432):
    return hybridge("run", "-f", app.path, "--", PYTHON, "-c", ASK, host, str(port))


def test_status_tells_what_went_through():
    with relayed_world() as (_, app):
        assert ask(app).out == "answer hello\n"

        def told():
            shown = hybridge("status", "--json", "-f", app.path)
            answer = json.loads(shown.out)
            (db,) = answer["connections"]
            return (shown.status, answer, db) if db["total"] == 1 and db["open"] == 0 else None

        status, answer, db = until(told, "a stream that has ended, in the status")
        assert status == 0 and answer["schema"] == 1, answer
        assert db["name"] == "db" and db["hosts"] == ["db.corp:5432"], db
        assert db["bytes_in"] == 5 and db["bytes_out"] == 5 and db["failed"] == 0, db
        shown = hybridge("status", "-f", app.path)
        assert shown.status == 0 and re.search(r"^db +db\.corp:5432 +\w+ +0 +1 +0 ", shown.out, re.M), shown.out
        assert hybridge("status", "-f", app.path, "nosuch").status == 64


def test_status_puts_trouble_first_and_exits_69():
    with relayed_world(agent=False) as (_, app):
        assert "ConnectionRefusedError" in ask(app).err
        shown = hybridge("status", "-f", app.path)
        assert shown.status == 69, (shown.status, shown.out)
        assert re.search(r"^! db  \S", shown.out, re.M) and "failing" in shown.out, shown.out
        assert hybridge("status", "--json", "-f", app.path).status == 69


# Run


def test_run_gives_the_programs_own_status():
    with relayed_world() as (_, app):
        for status in (0, 1, 42):
            shown = hybridge("run", "-f", app.path, "--", "sh", "-c", f"exit {status}")
            assert shown.status == status, (shown.status, shown.err)
        assert hybridge("run", "-f", app.path, "sh", "-c", "kill -TERM $$").status == -signal.SIGTERM


def test_run_reaches_the_target_and_says_nothing_itself():
    with relayed_world() as (_, app):
        shown = ask(app)
        assert shown.status == 0 and shown.out == "answer hello\n" and not shown.err, shown.err


def test_run_tells_a_missing_program_from_one_that_cannot_be_run():
    with relayed_world() as (world, app):
        plain = world.path("plain")
        with open(plain, "w", encoding="utf-8") as file:
            file.write("no program\n")
        for program, status in (("no-such-program", 127), (world.path("none"), 127), (plain, 126),
                                (world.folder, 126)):
            shown = hybridge("run", "-f", app.path, "--", program)
            assert shown.status == status, (program, shown.status, shown.err)
            assert shown.err.startswith("hybridge: ") and program in shown.err, shown.err


def test_run_refuses_what_cannot_be_preloaded():
    with relayed_world() as (world, app):
        source = world.path("empty.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write("int main(void) { return 0; }\n")
        static, setuid = world.path("static"), world.path("setuid")
        subprocess.run(["cc", "-static", "-o", static, source], check=True)
        subprocess.run(["cc", "-o", setuid, source], check=True)
        os.chmod(setuid, 0o4755)
        script = world.path("script")
        with open(script, "w", encoding="utf-8") as file:
            file.write(f"#!{static}\n")
        os.chmod(script, 0o755)
        for program, why in ((static, "statically linked"), (setuid, "setuid"), (script, "statically linked")):
            shown = hybridge("run", "-f", app.path, "--", program)
            assert shown.status == 126, (program, shown.status, shown.err)
            assert why in shown.err and "\n  -> " in shown.err, shown.err


def test_run_without_a_configuration_is_hybridges_own_failure():
    with World() as world:
        shown = hybridge("run", "true", XDG_RUNTIME_DIR=world.folder)
        assert shown.status == 125 and shown.err.startswith("hybridge: "), (shown.status, shown.err)
        missing = world.path("missing.env")
        shown = hybridge("run", "-f", missing, "true")
        assert shown.status == 125 and missing in shown.err, (shown.status, shown.err)


def environment_of_child(*args, **env):
    shown = hybridge("run", *args, "--", "env", "-0", **env)
    assert shown.status == 0, shown.err
    return dict(entry.split("=", 1) for entry in shown.out.split("\0") if entry)


def test_the_program_gets_the_shim_before_other_preloads_and_an_absolute_file():
    with relayed_world() as (world, app):
        env = CLEAN_ENV | {"PWD": world.folder}
        shown = hybridge("run", "-f", os.path.basename(app.path), "--", "env", cwd=world.folder, env=env)
        child = dict(line.split("=", 1) for line in shown.out.splitlines())
        assert child["HYBRIDGE_ENV"] == app.path, child
        assert child["LD_PRELOAD"] == SHIM, child
        other = next(path for path in SYSTEM_LIBRARIES if os.path.exists(path))
        child = environment_of_child("-f", app.path, LD_PRELOAD=other)
        assert child["LD_PRELOAD"] == f"{SHIM}:{other}", child


SYSTEM_LIBRARIES = ("/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6", "/usr/lib/libm.so.6")


def test_credentials_in_the_environment_stay_out_of_the_program():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        world.agent(relay, {"db": target.at})
        env = {
            "HYBRIDGE_DB_CONNECTION": relay.connection("db", "send"),
            "HYBRIDGE_DB_HOSTS": "db.corp:5432",
            "HYBRIDGE_CA_FILE": world.authority.path,
            "XDG_RUNTIME_DIR": world.folder,
        }
        child = environment_of_child(**env)
        assert not [name for name in child if "CONNECTION" in name], child
        assert child["HYBRIDGE_DB_HOSTS"] == "db.corp:5432", child
        shown = hybridge("run", "--", PYTHON, "-c", ASK, "db.corp", "5432", **env)
        assert shown.out == "answer hello\n", (shown.out, shown.err)
        assert not shown.err, f"the sender speaks in the program's terminal: {shown.err}"
        until(lambda: not world.started_senders(), "the end of the senders that were started for one run")


# Dev


def dev_env(world):
    return {**CLEAN_ENV, "XDG_RUNTIME_DIR": world.folder, "HYBRIDGE_SOCKET": "/nowhere"}


def mapping_to(target):
    return "db.corp:5432=%s:%d" % target.at


def folders(world):
    return [name for name in os.listdir(world.folder) if name.startswith("hybridge-dev-")]


def children_of(pid):
    return [int(child) for child in read_proc(pid, f"task/{pid}/children").split()]


def assert_nothing_is_left(world):
    assert not folders(world), folders(world)
    assert not os.path.lexists(world.path("hybridge/dev.env"))
    assert not world._related(), world._related()


def test_dev_runs_a_command_and_leaves_nothing_behind():
    with servers.echo() as target, World() as world:
        for program, status, out in (
            ([PYTHON, "-c", ASK, "db.corp", "5432"], 0, "answer hello\n"),
            (["sh", "-c", "exit 7"], 7, ""),
            (["no-such-program"], 127, ""),
        ):
            shown = hybridge("dev", mapping_to(target), "--", *program, env=dev_env(world))
            assert shown.status == status and shown.out == out, (program, shown.status, shown.out, shown.err)
            assert_nothing_is_left(world)


@contextlib.contextmanager
def running_dev(world, target):
    """hybridge dev in the background, ready."""
    dev = world.start([HYBRIDGE, "dev", mapping_to(target)], env=dev_env(world))
    until(lambda: "Ctrl-C" in dev.out or not dev.alive(), "hybridge dev to be ready")
    assert dev.alive(), dev.err
    yield dev


def test_dev_serves_other_terminals_until_it_is_stopped():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with servers.echo() as target, World() as world, running_dev(world, target) as dev:
            assert "db.corp:5432 -> %s:%d" % target.at in dev.out, dev.out
            assert mode(world.path("hybridge")) == 0o700
            assert mode(world.path("hybridge/dev.env")) == 0o600
            shown = hybridge("run", "--", PYTHON, "-c", ASK, "db.corp", "5432", XDG_RUNTIME_DIR=world.folder)
            assert shown.out == "answer hello\n" and not shown.err, (shown.out, shown.err)
            dev.signal(number)
            assert dev.wait() == 0, (number, dev.err)
            assert_nothing_is_left(world)


def test_dev_names_the_part_that_died():
    for name in ("hybridge-relay", "hybridge-agent", "hybridge-sender"):
        with servers.echo() as target, World() as world, running_dev(world, target) as dev:
            victim = next(pid for pid in children_of(dev.pid)
                          if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == name)
            dev.expected_status = 69
            os.kill(victim, signal.SIGKILL)
            assert dev.wait() == 69, dev.err
            assert f"{name} ended" in dev.err and "  -> " in dev.err, dev.err
            assert_nothing_is_left(world)


def test_dev_goes_on_after_it_was_suspended():
    with servers.echo() as target, World() as world, running_dev(world, target) as dev:
        dev.signal(signal.SIGSTOP)
        until(lambda: b"(hybridge) T" in read_proc(dev.pid, "stat"), "hybridge dev to be suspended")
        dev.signal(signal.SIGCONT)
        until(lambda: b"(hybridge) S" in read_proc(dev.pid, "stat"), "hybridge dev to go on")
        shown = hybridge("run", "--", PYTHON, "-c", ASK, "db.corp", "5432", XDG_RUNTIME_DIR=world.folder)
        assert shown.out == "answer hello\n", (shown.out, shown.err)
        assert dev.alive(), dev.err


def test_a_dev_that_is_killed_takes_its_daemons_along():
    with servers.echo() as target, World() as world, running_dev(world, target) as dev:
        daemons = children_of(dev.pid)
        assert len(daemons) == 3, daemons
        dev.kill()
        until(lambda: not any(read_proc(pid, "cmdline") for pid in daemons), "the end of the three")


# Ends with 9 when it is told to.
OBEDIENT = """
import signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda *_: sys.exit(9))
print("up", flush=True)
signal.pause()
"""


def test_dev_passes_a_signal_on_to_its_command():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with servers.echo() as target, World() as world:
            argv = [HYBRIDGE, "dev", mapping_to(target), "--", PYTHON, "-c", OBEDIENT]
            dev = world.start(argv, env=dev_env(world))
            dev.expected_status = 9
            until(lambda: "up" in dev.out, "the command to run")
            dev.signal(number)
            assert dev.wait() == 9, (number, dev.out, dev.err)
            assert_nothing_is_left(world)


if __name__ == "__main__":
    main()
