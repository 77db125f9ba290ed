#!/usr/bin/env python3
"""Plain LD_PRELOAD and HYBRIDGE_ENV are enough: the shim starts the sender itself."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time

import clients
import servers
from command import ASK, hybridge
from harness import PYTHON, World, at_once, main, open_files, read_proc, until

# Connects, and then looks for children as a shell or an init would.
WAITING = """
import errno, json, os, socket, sys
before = set(os.listdir("/proc/self/fd"))
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as s:
    s.sendall(b"x")
    echo = s.recv(1) == b"x"
try:
    child = os.waitpid(-1, os.WNOHANG | 0x40000000)[0]  # __WALL
except ChildProcessError:
    child = None
left = len(set(os.listdir("/proc/self/fd")) - before)
print(json.dumps({"echo": echo, "child": child, "left": left}))
"""


# Asks for the address of a name once, as a program that keeps it for good, and connects for each line.
KEEPING = """
import json, socket, sys
at = socket.gethostbyname("x.wild.corp")
while True:
    with socket.socket() as s:
        refused = s.connect_ex((at, 5432))
        if not refused:
            s.sendall(b"x")
            assert s.recv(1) == b"x"
    print(json.dumps({"refused": refused}), flush=True)
    if not sys.stdin.readline():
        break
"""


@contextlib.contextmanager
def world_without_sender(**keys):
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        world.agent(relay, {"db": target.at})
        yield world, world.app(relay, {"db": "db.corp:5432 *.wild.corp:5432"}, **keys)


def only_sender(world):
    """The one sender that was started, whatever races there were."""
    senders = world.started_senders()
    assert len(senders) == 1, senders
    return senders[0]


def test_the_first_program_starts_the_sender_and_the_next_one_finds_it():
    with world_without_sender() as (world, app):
        clients.expect_echo(app, "db.corp", 5432)
        first = only_sender(world)
        clients.expect_echo(app, "db.corp", 5432)
        assert only_sender(world) == first


def test_twenty_programs_at_once_start_one_sender():
    with world_without_sender() as (world, app):
        seen = at_once(
            [lambda: clients.outcome(app, "blocking", "db.corp", 5432) for _ in range(20)]
        )
        assert all(one["echo"] for one in seen), seen
        only_sender(world)


def test_relative_paths_start_at_the_folder_of_the_env_file():
    with world_without_sender() as (world, app):
        ca = os.path.relpath(world.authority.path, world.folder)
        app.path = world.write_env("relative.env", **settings_of(app) | {"HYBRIDGE_CA_FILE": ca})
        for cwd in ("/", world.logs):
            answer = hybridge("run", "-f", app.path, "--", PYTHON, "-c", ASK, "db.corp", "5432", cwd=cwd)
            assert answer.out == "answer hello\n", (cwd, answer.err)
        linked = world.path("link")
        os.mkdir(linked)
        os.mkdir(world.path("data"))
        os.rename(app.path, world.path("data/app.env"))
        os.symlink("../data/app.env", os.path.join(linked, "app.env"))
        os.symlink("../ca", os.path.join(linked, "ca"))
        answer = hybridge("run", "-f", "link/app.env", "--", PYTHON, "-c", ASK, "db.corp", "5432", cwd=world.folder,
                          HYBRIDGE_SOCKET=world.path("linked.sock"))
        assert answer.out == "answer hello\n", answer.err


def test_relative_paths_in_the_environment_start_where_the_program_does():
    with world_without_sender(HYBRIDGE_CA_FILE=None) as (world, app):
        ca = os.path.relpath(world.authority.path, world.logs)
        program = app.run(clients.COMMANDS["blocking"]("db.corp", 5432), cwd=world.logs, HYBRIDGE_CA_FILE=ca)
        assert json.loads(program.out)["echo"], program.out


def test_a_sender_of_another_file_does_not_serve_what_that_file_does_not_mean():
    with servers.echo() as target, World() as world:
        relay = world.relay(["staging", "production"])
        world.agent(relay, {"staging": target.at, "production": target.at})
        staging = world.app(relay, {"staging": "db.corp:5432"})
        same = world.app(relay, {"staging": "db.corp:5432 more.corp:1"}, HYBRIDGE_SOCKET=staging.socket)
        other = world.app(relay, {"production": "db.corp:5432"}, HYBRIDGE_SOCKET=staging.socket)
        hosts = {"HYBRIDGE_DB_HOSTS": "db.corp:5432", "HYBRIDGE_SOCKET": staging.socket}
        clients.expect_echo(staging, "db.corp", 5432)
        clients.expect_echo(same, "db.corp", 5432)
        clients.expect_verdict(other, "db.corp", 5432, "EACCES")
        with open(staging.socket + ".log", encoding="utf-8") as log:
            assert any(staging.path in line and other.path in line for line in log)
        # A file of hosts alone, whose credentials only the sender has.
        same.path = world.write_env("hosts.env", **hosts)
        clients.expect_echo(same, "db.corp", 5432)
        only_sender(world)


def test_its_log_does_not_grow_without_bound():
    with world_without_sender() as (_, app):
        clients.expect_echo(app, "db.corp", 5432)
        log = app.socket + ".log"
        assert os.path.getsize(log) < 1 << 20
        os.truncate(log, 2 << 20)

        def is_small_again():
            clients.expect_echo(app, "db.corp", 5432)
            return os.path.getsize(log) < 1 << 20

        until(is_small_again, "the log emptied")


def settings_of(app):
    with open(app.path, encoding="utf-8") as file:
        return dict(line.rstrip("\n").replace("'", "").split("=", 1) for line in file)


def test_the_program_has_no_new_child_and_no_new_descriptor():
    with world_without_sender() as (_, app):
        program = app.run([PYTHON, "-c", WAITING, "db.corp", "5432"])
        assert program.lines == [{"echo": True, "child": None, "left": 0}], program.out


def test_the_sender_holds_nothing_of_the_program_and_is_not_preloaded():
    with world_without_sender() as (world, app):
        kept = os.open("/dev/null", os.O_RDONLY)
        os.set_inheritable(kept, True)
        try:
            clients.outcome(app, "blocking", "db.corp", 5432)
        finally:
            os.close(kept)
        sender = only_sender(world)
        assert b"libhybridge" not in read_proc(sender, "maps")
        assert b"LD_PRELOAD=" not in read_proc(sender, "environ")
        links = open_files(sender)
        assert not [link for link in links if world.logs in link], links
        assert os.getsid(sender) == sender, "not a session of its own"


def test_a_killed_sender_is_started_again_by_the_next_connect():
    with world_without_sender() as (world, app):
        clients.outcome(app, "blocking", "db.corp", 5432)
        first = only_sender(world)
        os.kill(first, signal.SIGKILL)
        until(lambda: not world.started_senders() and not somebody_listens(app), "the sender's end")
        # The shim starts none within a quarter second of the last: a sender that
        # cannot run must not be started by every connect().
        until(lambda: seconds_old(app.socket + ".lock") > 0.25, "the pause between two starts")
        clients.expect_echo(app, "db.corp", 5432)
        assert only_sender(world) != first


def test_an_address_of_a_wildcard_is_good_after_its_sender_was_killed_and_after_it_left():
    with world_without_sender(HYBRIDGE_IDLE_EXIT="1s") as (world, app):
        program = app.start([PYTHON, "-c", KEEPING], stdin=subprocess.PIPE)
        assert program.line("refused") == {"refused": 0}
        os.kill(only_sender(world), signal.SIGKILL)
        for count in (2, 3):
            until(lambda: not world.started_senders() and not somebody_listens(app), "the sender's end")
            until(lambda: seconds_old(app.socket + ".lock") > 0.25, "the pause between two starts")
            program.popen.stdin.write(b"\n")
            program.popen.stdin.flush()
            until(lambda count=count: len(program.lines) == count, "another connection")
            assert program.lines[-1] == {"refused": 0}, program.lines
        program.popen.stdin.close()
        assert program.wait() == 0


def somebody_listens(app):
    """A process that was killed has its socket until its memory is gone, which takes a sanitizer's long."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
        return asking.connect_ex(app.socket) == 0


def seconds_old(path):
    return time.time() - os.stat(path).st_mtime


def test_what_others_have_put_where_the_log_belongs_is_left_alone():
    with world_without_sender() as (world, app):
        precious = world.path("precious")
        with open(precious, "w", encoding="ascii") as file:
            file.write("precious")
        for put in (lambda path: os.link(precious, path), os.mkfifo):
            put(app.socket + ".log")
            clients.expect_echo(app, "db.corp", 5432)
            os.kill(only_sender(world), signal.SIGKILL)
            until(lambda: not world.started_senders() and not somebody_listens(app), "the sender's end")
            until(lambda: seconds_old(app.socket + ".lock") > 0.25, "the pause between two starts")
            os.unlink(app.socket + ".log")
        with open(precious, encoding="ascii") as file:
            assert file.read() == "precious"


def test_an_idle_sender_leaves_and_takes_its_socket_with_it():
    with world_without_sender(HYBRIDGE_IDLE_EXIT="1s") as (world, app):
        clients.outcome(app, "blocking", "db.corp", 5432)
        only_sender(world)
        until(lambda: not world.started_senders(), "the idle sender's end")
        assert not os.path.exists(app.socket)
        clients.expect_echo(app, "db.corp", 5432)


def test_without_any_sender_to_start_connect_is_refused():
    with world_without_sender() as (world, app):
        env = {"HYBRIDGE_SENDER": world.path("nothing-here")}
        program = app.run(clients.COMMANDS["blocking"]("db.corp", 5432), **env)
        assert json.loads(program.out)["errno"] == "ECONNREFUSED", program.out


if __name__ == "__main__":
    main()
