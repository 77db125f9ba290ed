#!/usr/bin/env python3
"""hybridge dev: however it ends, nothing is left behind."""

import contextlib
import os
import signal

import servers
from command import ASK, HYBRIDGE, hybridge, mode
from harness import CLEAN_ENV, PYTHON, World, main, read_proc, until

# Ends with 9 when it is told to.
OBEDIENT = """
import signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, lambda *_: sys.exit(9))
print("up", flush=True)
signal.pause()
"""


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
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        with servers.echo() as target, World() as world, running_dev(world, target) as dev:
            assert "db.corp:5432 -> %s:%d" % target.at in dev.out, dev.out
            assert mode(world.path("hybridge")) == 0o700
            assert mode(world.path("hybridge/dev.env")) == 0o600
            shown = hybridge("run", "--", PYTHON, "-c", ASK, "db.corp", "5432", XDG_RUNTIME_DIR=world.folder)
            assert shown.out == "answer hello\n" and not shown.err, (shown.out, shown.err)
            dev.signal(number)
            assert dev.wait() == 0, (number, dev.err)
            assert_nothing_is_left(world)


def test_dev_says_why_a_part_did_not_start():
    with World() as world:
        shown = hybridge("dev", "db.corp:5432=127.0.0.1:1", "db.corp:5432=127.0.0.1:2", env=dev_env(world))
        assert shown.status != 0 and "as well, on line" in shown.err, (shown.status, shown.err)


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


def state_of(pid):
    return read_proc(pid, "stat").rpartition(b")")[2].split()[0]


def test_dev_goes_on_after_it_was_suspended():
    with servers.echo() as target, World() as world, running_dev(world, target) as dev:
        dev.signal(signal.SIGSTOP)
        until(lambda: state_of(dev.pid) == b"T", "hybridge dev to be suspended")
        dev.signal(signal.SIGCONT)
        until(lambda: state_of(dev.pid) == b"S", "hybridge dev to go on")
        shown = hybridge("run", "--", PYTHON, "-c", ASK, "db.corp", "5432", XDG_RUNTIME_DIR=world.folder)
        assert shown.out == "answer hello\n", (shown.out, shown.err)
        assert dev.alive(), dev.err


def test_a_dev_that_is_killed_takes_its_daemons_along():
    with servers.echo() as target, World() as world, running_dev(world, target) as dev:
        daemons = children_of(dev.pid)
        assert len(daemons) == 3, daemons
        dev.kill()
        until(lambda: not any(read_proc(pid, "cmdline") for pid in daemons), "the end of the three")


def test_dev_passes_a_signal_on_to_its_command():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        with servers.echo() as target, World() as world:
            argv = [HYBRIDGE, "dev", mapping_to(target), "--", PYTHON, "-c", OBEDIENT]
            dev = world.start(argv, env=dev_env(world))
            dev.expected_status = 9
            until(lambda: "up" in dev.out, "the command to run")
            dev.signal(number)
            assert dev.wait() == 9, (number, dev.out, dev.err)
            assert_nothing_is_left(world)


# Ignores one signal, and not what python ignores.  (Some shells cannot: SIGCHLD.)
IGNORE = """
import os, signal, sys
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
signal.signal(getattr(signal, sys.argv[1]), signal.SIG_IGN)
os.execvp(sys.argv[2], sys.argv[2:])
"""
IGNORING = [PYTHON, "-c", IGNORE]

# A standard output that nobody reads.
UNHEARD = """
import os, signal, sys
reading, writing = os.pipe()
os.close(reading)
os.dup2(writing, 1)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_dev_and_its_command_end_when_the_caller_ignores_sigchld():
    show = ["grep", "-E", "Sig(Blk|Ign|Cgt)", "/proc/self/status"]
    with servers.echo() as target, World() as world:
        command = [HYBRIDGE, "dev", mapping_to(target), "--", *show]
        for ignored in ("SIGCHLD", "SIGPIPE", "SIGHUP"):
            alone = world.start([*IGNORING, ignored, *show])
            assert alone.wait() == 0
            dev = world.start([*IGNORING, ignored, *command], env=dev_env(world))
            assert dev.wait() == 0, dev.err
            assert dev.out == alone.out and "SigIgn" in dev.out, (ignored, dev.out, alone.out)
            assert_nothing_is_left(world)


def assert_it_serves(world, dev):
    shown = hybridge("run", "--", PYTHON, "-c", ASK, "db.corp", "5432", XDG_RUNTIME_DIR=world.folder)
    assert shown.out == "answer hello\n", (shown.out, shown.err)
    assert dev.alive(), dev.err


def stop_and_look(world, dev):
    dev.signal(signal.SIGTERM)
    assert dev.wait() == 0, dev.err
    assert_nothing_is_left(world)


def test_dev_under_nohup_survives_its_terminal():
    with servers.echo() as target, World() as world:
        dev = world.start([*IGNORING, "SIGHUP", HYBRIDGE, "dev", mapping_to(target)], env=dev_env(world))
        until(lambda: "Ctrl-C" in dev.out or not dev.alive(), "hybridge dev to be ready")
        dev.signal(signal.SIGHUP)
        assert_it_serves(world, dev)
        stop_and_look(world, dev)


def test_dev_goes_on_when_nobody_reads_what_it_says():
    with servers.echo() as target, World() as world:
        dev = world.start([PYTHON, "-c", UNHEARD, HYBRIDGE, "dev", mapping_to(target)], env=dev_env(world))
        until(lambda: os.path.lexists(world.path("hybridge/dev.env")) or not dev.alive(), "hybridge dev to be ready")
        assert_it_serves(world, dev)
        stop_and_look(world, dev)


def test_the_end_of_one_dev_leaves_the_link_of_another():
    with servers.echo() as target, World() as world:
        with running_dev(world, target) as first, running_dev(world, target) as second:
            first.signal(signal.SIGTERM)
            assert first.wait() == 0, first.err
            assert_it_serves(world, second)
            stop_and_look(world, second)


if __name__ == "__main__":
    main()
