#!/usr/bin/env python3
"""Completion for bash: what it offers, with a sender and without, and that it is silent."""

import os
import shutil
import stat
import subprocess

import manual
from harness import BUILD, CLEAN_ENV, SOURCE, World, main

SCRIPT = os.path.join(SOURCE, "completion", "hybridge.bash")

# As readline does it: the words so far, the last of which is completed.
ASK = """
. "$SCRIPT"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_hybridge "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
[ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\\n' "${COMPREPLY[@]}"
"""


WITH_VERBS = ("key", "config", "completion")
WITH_NAMES = ("status", "doctor", "ping", "wait", "logs")  # of connections, behind the options


def bash(code, *args, env=None, cwd=None):
    done = subprocess.run(
        ["bash", "--norc", "--noprofile", "-c", code, "bash", *args],
        env={**CLEAN_ENV, "SCRIPT": SCRIPT, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=30,
        check=False,
    )
    assert done.stderr == "", (args, done.stderr)
    return done.stdout.splitlines()


def complete(*words, env=None, cwd=None):
    """What is offered for the last of these words, behind "hybridge"."""
    env = {"PATH": f"{BUILD}:{CLEAN_ENV['PATH']}", **(env or {})}
    return set(bash(ASK, "hybridge", *words, env=env, cwd=cwd))


def test_commands_are_those_of_the_help():
    assert complete("") == set(manual.commands())
    assert complete("s") == {name for name in manual.commands() if name.startswith("s")}
    assert complete("nonsense") == set() and complete("nonsense", "") == set()


def test_options_are_those_of_the_help():
    help_options = {"-h", "--help"}
    assert complete("-") == help_options | {"-V", "--version"}
    for command in manual.commands():
        shown = manual.shown_options("hybridge", command)
        offered = complete(command, "-") - {"--"}
        if command in WITH_VERBS:
            for word in complete(command, ""):
                offered |= complete(command, word, "-")
        assert offered == shown | help_options, (command, offered ^ shown)


def test_verbs_of_a_command_are_those_of_the_help():
    for command in WITH_VERBS:
        usage = manual.run("hybridge", command, "--help").stdout.split()[3]
        assert complete(command, "") == set(usage.split("|")), usage
    assert complete("key", "i") == {"inspect"}
    assert complete("key", "new", "--hc", "") == set()


def test_files_and_folders_are_offered_where_an_option_takes_one():
    with World() as world:
        os.mkdir(world.path("folder"))
        with open(world.path("fine name.env"), "w", encoding="ascii"):
            pass
        here = {"cwd": world.folder}
        for command in ("run", "status"):
            assert complete(command, "-f", "fi", **here) == {"fine name.env"}
            assert complete(command, "-f", "fo", **here) == {"folder"}
        assert complete("key", "new", "--dir", "f", **here) == {"folder"}
        assert complete("key", "new", "--dir", "=", "f", **here) == {"folder"}
        assert complete("key", "new", "--hc", "x", "--dir", "f", **here) == {"folder"}


def test_a_command_is_completed_as_the_shell_does_it():
    with World() as world:
        os.mkdir(world.path("bin"))
        path = world.path("bin/hybridge-completion-test")
        with open(path, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\n")
        os.chmod(path, 0o755)
        with open(world.path("data.txt"), "w", encoding="ascii"):
            pass
        env = {"PATH": f"{world.path('bin')}:{BUILD}:{CLEAN_ENV['PATH']}"}
        for before in ([], ["-v"], ["-f", "x"], ["-fx", "--strict"], ["--"], ["-v", "--"]):
            found = complete("run", *before, "hybridge-comp", env=env, cwd=world.folder)
            assert found == {"hybridge-completion-test"}, (before, found)
            found = complete("run", *before, "cat", "da", env=env, cwd=world.folder)
            assert found == {"data.txt"}, (before, found)
        start = ("dev", "db.corp:5432=127.0.0.1:5432")
        assert complete(*start, "--", "hybridge-comp", env=env) == {"hybridge-completion-test"}
        assert complete(*start, "hybridge-comp", env=env) == set()
        # The command's options are its own.
        assert complete("run", "--", "cat", "-", env=env, cwd=world.folder) == set()


OFFSET = """
_command_offset() { echo "offset $1"; }
"""


def test_where_bash_completion_is_loaded_it_completes_the_command():
    ask = OFFSET + ASK
    assert bash(ask, "hybridge", "run", "-f", "x", "--", "git", "") == ["offset 5"]
    assert bash(ask, "hybridge", "run", "git") == ["offset 2"]
    assert bash(ask, "hybridge", "dev", "a:1=b:2", "--", "make", "") == ["offset 4"]


def test_names_are_those_of_the_running_sender():
    with World() as world:
        relay = world.relay(["db", "mail"])
        app = world.app(relay, {"db": "db.corp:5432", "mail": "mail.corp:25"})
        env = {"HYBRIDGE_ENV": app.path}
        assert complete("status", "", env=env) == set()
        assert complete("status", "-f", app.path, "") == set()
        app.sender()
        assert complete("status", "", env=env) == {"db", "mail"}
        assert complete("status", "m", env=env) == {"mail"}
        assert complete("status", "--json", "", env=env) == {"db", "mail"}
        assert complete("status", "-f", app.path, "") == {"db", "mail"}
        assert complete("status", "-f" + app.path, "") == {"db", "mail"}
        home = {"HOME": world.folder}
        file = "~/" + os.path.basename(app.path)
        assert complete("status", "-f", file, "", env=home) == {"db", "mail"}
        assert complete("logs", "-n", "9", "-F", "m", env=env) == {"mail"}
        # There is one at most.
        assert complete("status", "db", "", env=env) == set()
        for option in ("-n", "--since", "--stream"):
            assert complete("logs", option, "", env=env) == set(), option


def test_it_is_silent_when_hybridge_is_not_there_or_says_nonsense():
    with World() as world:
        os.mkdir(world.path("bin"))
        for tool in ("bash", "sed", "timeout"):
            os.symlink(shutil.which(tool), world.path(f"bin/{tool}"))
        env = {"PATH": world.path("bin")}
        assert complete("status", "", env=env) == set()
        with open(world.path("bin/hybridge"), "w", encoding="ascii") as file:
            file.write("#!/bin/bash\necho '{\"name\": 7,'; echo complaint >&2; exit 70\n")
        os.chmod(world.path("bin/hybridge"), 0o755)
        assert complete("status", "", env=env) == set()
        env = {"HYBRIDGE_ENV": world.path("missing.env")}
        assert complete("status", "", env=env) == set()


def test_it_asks_nobody_but_the_sender_and_only_for_names():
    with World() as world:
        os.mkdir(world.path("bin"))
        asked = world.path("asked")
        with open(world.path("bin/hybridge"), "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\necho "$*" >>{asked}\n')
        os.chmod(world.path("bin/hybridge"), stat.S_IRWXU)
        env = {"PATH": f"{world.path('bin')}:{CLEAN_ENV['PATH']}"}
        for command in ("", *manual.commands()):
            words = [command] if command else []
            for more in ([""], ["-"], ["-f", ""], ["new", "--"]):
                if command not in WITH_NAMES:
                    complete(*words, *more, env=env)
        assert not os.path.exists(asked)
        for command in WITH_NAMES:
            complete(command, "-f", "a.env", "", env=env)
        with open(asked, encoding="ascii") as file:
            assert file.read() == len(WITH_NAMES) * "status --json -f a.env\n"


def test_the_shell_knows_it_as_hybridges():
    known = ["complete -F _hybridge hybridge"]
    assert bash('. "$SCRIPT"; complete -p hybridge') == known
    env = {"PATH": f"{BUILD}:{CLEAN_ENV['PATH']}"}
    assert bash("source <(hybridge completion bash); complete -p hybridge", env=env) == known


def test_the_command_prints_it_and_names_the_shells_that_it_has():
    with open(SCRIPT, encoding="utf-8") as file:
        assert manual.run("hybridge", "completion", "bash").stdout == file.read()
    for args in ((), ("fish",), ("bash", "zsh"), ("bash", "--json")):
        done = manual.run("hybridge", "completion", *args)
        assert done.returncode == 64 and done.stdout == "", (args, done)


if __name__ == "__main__":
    main()
