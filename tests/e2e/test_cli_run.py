#!/usr/bin/env python3
"""hybridge run and status: what they refuse, what a program gets, what went through."""

import contextlib
import json
import os
import re
import shutil
import subprocess

import servers
from command import ASK, HYBRIDGE, hybridge
from harness import CLEAN_ENV, DEADLINE, PYTHON, SHIM, World, main, tool, until

SYSTEM_LIBRARIES = ("/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6", "/usr/lib/libm.so.6")


SETUID_PROGRAMS = ("/usr/bin/su", "/bin/su", "/usr/bin/passwd")  # root's
NOBODY = 65534


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


def test_run_passes_over_folders_that_it_may_not_search():
    with relayed_world() as (world, app):
        os.mkdir(world.path("shut"), 0)
        path = f"{world.path('shut')}:{CLEAN_ENV['PATH']}"
        for program, status in (("no-such-program", 127), ("true", 0)):
            shown = hybridge("run", "-f", app.path, "--", program, env={"PATH": path})
            assert shown.status == status, (program, shown.status, shown.err)


def test_run_refuses_what_cannot_be_preloaded():
    with relayed_world() as (world, app):
        source = world.path("empty.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write("int main(void) { return 0; }\n")
        static, setuid = world.path("static"), world.path("setuid")
        subprocess.run(["cc", "-static", "-o", static, source], check=True)
        if os.geteuid() == 0:
            subprocess.run(["cc", "-o", setuid, source], check=True)
            os.chown(setuid, NOBODY, 0)
            os.chmod(setuid, 0o4755)
        else:
            setuid = next(path for path in SETUID_PROGRAMS if os.path.exists(path))
        script = world.path("script")
        with open(script, "w", encoding="utf-8") as file:
            file.write(f"#!{static}\n")
        os.chmod(script, 0o755)
        for program, why in ((static, "statically linked"), (setuid, "setuid"), (script, "statically linked")):
            shown = hybridge("run", "-f", app.path, "--", program)
            assert shown.status == 126, (program, shown.status, shown.err)
            assert why in shown.err and "\n  -> " in shown.err, shown.err


def test_run_finds_the_library_where_debian_packages_have_it():
    with relayed_world() as (world, app):
        library = world.path(f"usr/lib/{os.uname().machine}-linux-gnu/hybridge")
        os.makedirs(library)
        os.makedirs(world.path("usr/bin"))
        shutil.copy(SHIM, library)
        shutil.copy(HYBRIDGE, world.path("usr/bin"))
        shown = subprocess.run(
            [world.path("usr/bin/hybridge"), "run", "-f", app.path, "--", PYTHON, "-c", ASK, "db.corp", "5432"],
            env=CLEAN_ENV, capture_output=True, text=True, timeout=DEADLINE, check=False)
        assert shown.stdout == "answer hello\n", shown.stderr


def test_a_setuid_program_of_the_user_himself_is_relayed():
    with relayed_world() as (world, app):
        program = world.path("own")
        shutil.copy(tool("connecting"), program)
        os.chmod(program, 0o6755)
        shown = hybridge("run", "--strict", "-f", app.path, "--", program, "blocking", "db.corp", "5432")
        assert (shown.status, shown.err) == (0, ""), (shown.status, shown.err)
        assert json.loads(shown.out)["echo"], shown.out


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


def test_credentials_in_the_environment_stay_out_of_the_program():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        world.agent(relay, {"db": target.at})
        env = {
            "HYBRIDGE_DB_CONNECTION": relay.connection("db", "send"),
            "HYBRIDGE_DB_HOSTS": "db.corp:5432",
            "HYBRIDGE_CA_FILE": world.authority.path,
            "XDG_RUNTIME_DIR": world.path("run"),
        }
        os.mkdir(world.path("run"), 0o700)
        child = environment_of_child(**env)
        assert not [name for name in child if "CONNECTION" in name], child
        assert child["HYBRIDGE_DB_HOSTS"] == "db.corp:5432", child
        shown = hybridge("run", "--", PYTHON, "-c", ASK, "db.corp", "5432", **env)
        assert shown.out == "answer hello\n", (shown.out, shown.err)
        assert not shown.err, f"the sender speaks in the program's terminal: {shown.err}"
        shown = hybridge("run", "--strict", "--", PYTHON, "-c", ASK, "db.corp", "5432", **env)
        assert (shown.out, shown.err) == ("answer hello\n", ""), (shown.out, shown.err)
        until(lambda: not world.started_senders(), "the end of the senders that were started for one run")
        assert not os.listdir(world.path("run")), "they left something behind"


def test_other_secrets_stay_out_too_and_the_sender_has_them():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        world.agent(relay, {"db": target.at})
        token = relay.token("db", "send", 600)
        env = {
            "HYBRIDGE_DB_CONNECTION_FILE": world.path("db.connection"),
            "HYBRIDGE_DB_HOSTS": "db.corp:5432",
            "HYBRIDGE_CA_FILE": world.authority.path,
            "XDG_RUNTIME_DIR": world.path("run"),
        }
        os.mkdir(world.path("run"), 0o700)
        with open(env["HYBRIDGE_DB_CONNECTION_FILE"], "w", encoding="ascii") as file:
            file.write(f"Endpoint=sb://localhost:{relay.port}/;EntityPath=db")
        env["HYBRIDGE_DB_TOKEN_COMMAND"] = f"echo '{token}'"
        env["HYBRIDGE_DB_HEADERS"] = "X-Api-Key: s3cret"
        shown = hybridge("run", "--", "sh", "-c", 'env; cat /proc/self/environ; exec "$@"', "sh",
                         PYTHON, "-c", ASK, "db.corp", "5432", **env)
        assert shown.out.endswith("answer hello\n") and not shown.err, (shown.out, shown.err)
        assert "s3cret" not in shown.out and token not in shown.out, shown.out
        assert "HYBRIDGE_DB_HOSTS" in shown.out, shown.out


def test_the_sender_of_one_run_reads_the_file_as_well():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        world.agent(relay, {"db": target.at})
        hosts = {"HYBRIDGE_DB_HOSTS": "db.corp:5432", "HYBRIDGE_CA_FILE": world.authority.path}
        keyless = world.write_env("keyless.env", **hosts)
        whole = world.write_env("whole.env", HYBRIDGE_DB_CONNECTION=relay.connection("db", "send"), **hosts)
        os.mkdir(world.path("run"), 0o700)
        os.mkdir(world.path("run/hybridge"), 0o700)
        env = {"HYBRIDGE_DB_CONNECTION": relay.connection("db", "send"), "XDG_RUNTIME_DIR": world.path("run")}
        other = {
            "HYBRIDGE_OTHER_CONNECTION": relay.connection("db", "send"),
            "HYBRIDGE_OTHER_HOSTS": "other.corp:1",
            "XDG_RUNTIME_DIR": world.path("run"),
        }
        for file, more in ((keyless, env), (whole, other), (keyless, {**env, "HYBRIDGE_ENV": whole})):
            shown = hybridge("run", "-f", file, "--", PYTHON, "-c", ASK, "db.corp", "5432", **more)
            assert (shown.out, shown.err) == ("answer hello\n", ""), (file, shown.out, shown.err)
        os.symlink(keyless, world.path("run/hybridge/dev.env"))
        shown = hybridge("run", "--", PYTHON, "-c", ASK, "db.corp", "5432", **env)
        assert (shown.out, shown.err) == ("answer hello\n", ""), ("as dev leaves it", shown.out, shown.err)


def test_the_sender_of_one_run_takes_no_folder_that_was_there():
    planted = "/tmp/hybridge-run-%d"
    env = {**CLEAN_ENV, "HYBRIDGE_DB_HOSTS": "db.corp:5432"}
    env["HYBRIDGE_DB_CONNECTION"] = "Endpoint=sb://localhost:1/;SharedAccessKeyName=n;SharedAccessKey=a2V5;EntityPath=db"
    plant = f'mkdir -m 777 {planted.replace("%d", "$$")} && exec "$@"'
    show = "echo $HYBRIDGE_SOCKET; stat -c '%a %u' ${HYBRIDGE_SOCKET%/*}"
    with subprocess.Popen(["sh", "-c", plant, "sh", HYBRIDGE, "run", "--", "sh", "-c", show], env=env,
                          stdout=subprocess.PIPE, text=True) as process:
        try:
            told = process.communicate(timeout=DEADLINE)[0].splitlines()
            folder = os.path.dirname(told[0])
            assert process.returncode == 0 and folder != planted % process.pid, told
            assert told[1] == f"700 {os.geteuid()}", told
            until(lambda: not os.path.exists(folder), "the end of the sender with its folder")
        finally:
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(planted % process.pid)


def test_no_folder_for_the_sender_of_one_run_is_hybridges_own_failure():
    with World() as world:
        env = {"HYBRIDGE_DB_HOSTS": "db.corp:5432", "XDG_RUNTIME_DIR": world.path("nosuch")}
        env["HYBRIDGE_DB_CONNECTION"] = "Endpoint=sb://localhost:1/;SharedAccessKeyName=n;SharedAccessKey=a2V5;EntityPath=db"
        shown = hybridge("run", "--", "true", **env)
        assert shown.status == 125 and "cannot make a folder in " + world.path("nosuch") in shown.err, shown.err


def test_a_strict_parent_does_not_show_the_credentials_either():
    with World() as world:
        secret = "c2VjcmV0"
        env = {
            "HYBRIDGE_DB_CONNECTION": f"Endpoint=sb://localhost:1/;SharedAccessKeyName=n;SharedAccessKey={secret};EntityPath=db",
            "HYBRIDGE_DB_HOSTS": "db.corp:5432",
            "XDG_RUNTIME_DIR": world.folder,
        }
        shown = hybridge("run", "--strict", "--", "sh", "-c", "cat /proc/$PPID/environ", **env)
        assert shown.status == 0 and "HYBRIDGE_DB_HOSTS" in shown.out, shown.err
        assert secret not in shown.out, "the parent's environment has the key"
        until(lambda: not world.started_senders(), "the end of the sender that was started for the run")


if __name__ == "__main__":
    main()
