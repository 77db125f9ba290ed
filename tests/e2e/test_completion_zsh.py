#!/usr/bin/env python3
"""Completion for zsh: what it offers, with a sender and without, and that it is silent."""

import contextlib
import os
import pty
import re
import shutil
import stat
import tempfile

import manual
from harness import BUILD, CLEAN_ENV, HERE, SOURCE, World, main, until

FOLDER = os.path.join(SOURCE, "completion")
HELP = {"-h": "show this", "--help": "show this"}

WITH_VERBS = ("key", "config", "completion")
WITH_NAMES = ("status", "doctor", "ping", "wait", "logs")  # of connections, behind the options


class Zsh:
    """An interactive zsh with the completion; complete.zsh is what it reads."""

    def __init__(self, cwd=None, **env):
        self.home = tempfile.mkdtemp(prefix="hybridge-zsh-")
        self.env = {
            **CLEAN_ENV, "PATH": f"{BUILD}:{CLEAN_ENV['PATH']}", "TERM": "dumb", "COMPLETION": FOLDER, **env,
            "ZDOTDIR": self.home, "IN": self.path("in"), "OUT": self.path("out"),
        }
        os.symlink(os.path.join(HERE, "complete.zsh"), self.path(".zshrc"))
        self.write("out", "")
        zsh = shutil.which("zsh")
        self.said = b""
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(cwd or self.home)
                os.execve(zsh, ["zsh", "-d", "-i"], self.env)
            finally:
                os._exit(127)
        os.set_blocking(self.terminal, False)

    def __enter__(self):
        self.wait()
        return self

    def __exit__(self, *_):
        os.close(self.terminal)  # which is SIGHUP
        os.waitpid(self.pid, 0)
        shutil.rmtree(self.home)

    def path(self, name):
        return os.path.join(self.home, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def wait(self):
        """The lines of what it offers."""
        def answer():
            # What it writes must be read, or it stops.
            with contextlib.suppress(OSError):
                self.said += os.read(self.terminal, 65536)
            with open(self.path("out"), encoding="utf-8") as file:
                text = file.read()
            return text.endswith("done\n") and text

        return until(answer, "an answer of zsh").splitlines()[:-1]

    def complete(self, *words):
        """{word: description} for the last of these words, behind "hybridge"."""
        self.write("in", " ".join(("hybridge", *words)))
        self.write("out", "")
        self.said = b""
        os.write(self.terminal, b"\x14")
        offers = dict(line.split("\t") for line in self.wait())
        # A function that fails says so, and names itself.
        assert not re.search(rb"_\w+:\d+:|not found|rror", self.said), (words, self.said)
        return offers


def test_commands_are_those_of_the_help_with_its_words():
    shown = dict(re.findall(r"^  (\w+) +(.*)$", manual.run("hybridge", "--help").stdout, re.M))
    with Zsh() as zsh:
        assert zsh.complete("") == shown
        assert zsh.complete("s") == {"status": shown["status"]}
        assert zsh.complete("nonsense") == {} and zsh.complete("nonsense", "") == {}


def test_options_are_those_of_the_help():
    with Zsh() as zsh:
        assert set(zsh.complete("-")) == {*HELP, "-V", "--version"}
        for command in manual.commands():
            offered = zsh.complete(command, "-")
            if command in WITH_VERBS:
                for verb in zsh.complete(command, ""):
                    offered |= zsh.complete(command, verb, "-")
            shown = manual.shown_options("hybridge", command) | set(HELP)
            assert set(offered) == shown, (command, set(offered) ^ shown)
            assert {option: offered[option] for option in HELP} == HELP


def test_options_are_described_by_words_of_the_help():
    with Zsh() as zsh:
        for command in manual.commands():
            text = " ".join(manual.run("hybridge", command, "--help").stdout.split())
            offered = zsh.complete(command, "-")
            if command in WITH_VERBS:
                offered |= zsh.complete(command, "")
            for word, description in offered.items():
                # A shell's name says it all.
                if command == "completion" and not word.startswith("-"):
                    continue
                assert word in HELP or description and description in text, (command, word, description)


def test_verbs_of_a_command_are_those_of_the_help():
    with Zsh() as zsh:
        for command in WITH_VERBS:
            usage = manual.run("hybridge", command, "--help").stdout.split()[3]
            assert set(zsh.complete(command, "")) == set(usage.split("|")), usage
        assert set(zsh.complete("key", "i")) == {"inspect"}
        assert zsh.complete("key", "new", "--hc", "") == {}


def test_files_and_folders_are_offered_where_an_option_takes_one():
    with World() as world:
        os.mkdir(world.path("folder"))
        world.write_env("fine name.env")
        with Zsh(cwd=world.folder) as zsh:
            for command in ("run", "status", "doctor", "wait", "logs", "config show"):
                assert set(zsh.complete(command, "-f", "fi")) == {r"fine\ name.env"}, command
            assert set(zsh.complete("config", "check", "-v")) == set()
            for before in (["--dir", "f"], ["--dir=f"], ["--hc", "x", "--dir", "f"]):
                assert set(zsh.complete("key", "new", *before)) == {"folder"}, before


def test_a_command_is_completed_as_the_shell_does_it():
    with World() as world:
        os.mkdir(world.path("bin"))
        path = world.path("bin/hybridge-completion-test")
        with open(path, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\n")
        os.chmod(path, 0o755)
        world.write_env("data.txt")
        with Zsh(cwd=world.folder, PATH=f"{world.path('bin')}:{BUILD}:{CLEAN_ENV['PATH']}") as zsh:
            start = ["dev", "db.corp:5432=127.0.0.1:5432"]
            runs = (["run", *more] for more in ([], ["-v"], ["-f", "x"], ["-fx", "--strict"], ["--"], ["-v", "--"]))
            for before in (*runs, [*start, "--"]):
                assert set(zsh.complete(*before, "hybridge-comp")) == {"hybridge-completion-test"}, before
                assert set(zsh.complete(*before, "cat", "da")) == {"data.txt"}, before
                assert set(zsh.complete(*before, "hybridge-completion-test", "t")) == {"told"}, before
            assert zsh.complete(*start, "hybridge-comp") == {}
            # The command's options are its own.
            assert zsh.complete("run", "--", "cat", "-") == {}


def test_names_are_those_of_the_running_sender():
    with World() as world:
        relay = world.relay(["db", "mail"])
        app = world.app(relay, {"db": "db.corp:5432", "mail": "mail.corp:25"})
        home = {"HOME": world.folder, "HYBRIDGE_ENV": app.path}
        with Zsh(**home) as zsh:
            assert zsh.complete("status", "") == {}
            app.sender()
            for command in WITH_NAMES:
                assert set(zsh.complete(command, "")) == {"db", "mail"}, command
                assert set(zsh.complete(command, "m")) == {"mail"}, command
                # There is one at most, but for wait.
                assert set(zsh.complete(command, "db", "m")) == ({"mail"} if command == "wait" else set()), command
            for before in (["--json"], ["-f", app.path], ["-f" + app.path], ["-f", "~/" + os.path.basename(app.path)]):
                assert set(zsh.complete("status", *before, "")) == {"db", "mail"}, before
            assert zsh.complete("status", "-f", world.path("missing"), "") == {}
            for option in ("-n", "--since", "--stream"):
                assert zsh.complete("logs", option, "") == {}, option


def test_it_is_silent_when_hybridge_is_not_there_or_says_nonsense():
    with World() as world:
        os.mkdir(world.path("bin"))
        for tool in ("bash", "sed", "timeout"):
            os.symlink(shutil.which(tool), world.path(f"bin/{tool}"))
        with Zsh(PATH=world.path("bin")) as zsh:
            assert zsh.complete("status", "") == {}
            with open(world.path("bin/hybridge"), "w", encoding="ascii") as file:
                file.write("#!/bin/bash\necho '{\"name\": 7,'; echo complaint >&2; exit 70\n")
            os.chmod(world.path("bin/hybridge"), 0o755)
            assert zsh.complete("status", "") == {}
            assert b"complaint" not in zsh.said


def test_it_asks_nobody_but_the_sender_and_only_for_names():
    with World() as world:
        os.mkdir(world.path("bin"))
        asked = world.path("asked")
        with open(world.path("bin/hybridge"), "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\necho "$*" >>{asked}\n')
        os.chmod(world.path("bin/hybridge"), stat.S_IRWXU)
        with Zsh(PATH=f"{world.path('bin')}:{CLEAN_ENV['PATH']}") as zsh:
            for command in ("", *manual.commands()):
                words = [command] if command else []
                for more in ([""], ["-"], ["-f", ""], ["new", "--"]):
                    if command not in (*WITH_NAMES, "run"):
                        zsh.complete(*words, *more)
            assert not os.path.exists(asked)
            for command in WITH_NAMES:
                zsh.complete(command, "-f", "a.env", "")
            for typed in ("'$(touch a;:) b\\'", r"\$\(touch\ a\;:\)\ b\\"):
                zsh.complete("logs", "-f", typed, "")
        with open(asked, encoding="ascii") as file:
            questions = file.read().splitlines()
        plain = len(WITH_NAMES) * ["status --json -f a.env"]
        assert questions == plain + 2 * ["status --json -f $(touch a;:) b\\"], questions


def test_the_command_prints_it_and_it_makes_itself_known_when_it_is_read():
    with open(os.path.join(FOLDER, "_hybridge"), encoding="utf-8") as file:
        assert manual.run("hybridge", "completion", "zsh").stdout == file.read()
    with tempfile.TemporaryDirectory() as empty:
        with Zsh(COMPLETION=empty) as zsh:
            assert zsh.complete("sta") == {}
        with Zsh(COMPLETION=empty, SCRIPT="hybridge completion zsh") as zsh:
            assert set(zsh.complete("sta")) == {"status"}


if __name__ == "__main__":
    main()
