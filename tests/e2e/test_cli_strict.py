#!/usr/bin/env python3
"""hybridge run: a program that does not load the library, and --strict as its parent."""

import contextlib
import fcntl
import os
import pty
import select
import shutil
import signal
import subprocess
import termios

from command import HYBRIDGE, hybridge
from harness import BUILD, CLEAN_ENV, DEADLINE, PYTHON, World, main, read_proc, until

FILE = {
    "HYBRIDGE_DB_CONNECTION": "Endpoint=sb://localhost:1/;SharedAccessKeyName=n;SharedAccessKey=a2V5;EntityPath=db",
    "HYBRIDGE_DB_HOSTS": "db.corp:5432",
}

NOBODY = 65534

# A loader that knows nothing of LD_PRELOAD, nor how to load anything.
LOADER = """
void _start(void)
{
#if defined(FOREVER)
	for (;;)
		;
#elif defined(__x86_64__)
	__asm__ volatile("syscall" : : "a"(60), "D"(7));
#elif defined(__aarch64__)
	register long number __asm__("x8") = 93, status __asm__("x0") = 7;
	__asm__ volatile("svc 0" : : "r"(number), "r"(status));
#endif
	__builtin_unreachable();
}
"""

# Says which signals come; SIGUSR2 kills it.
LISTENER = """
import os, signal, sys
def say(number, frame):
    os.write(1, signal.Signals(number).name.encode() + b"\\n")
for name in sys.argv[1:]:
    signal.signal(getattr(signal, name), say)
os.write(1, b"ready %d\\n" % os.getpid())
while True:
    signal.pause()
"""


# Closes all that it got but standard error; SIGTERM ends it with 5.
CLOSER = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda number, frame: os._exit(5))
for fd in (0, 1, int(sys.argv[1])):
    os.close(fd)
while True:
    signal.pause()
"""


@contextlib.contextmanager
def place():
    """A world and an env file in it."""
    with World() as world:
        yield world, world.write_env("app.env", **FILE)


def compile_program(world, name, *options, source="int main(void) { return 0; }\n"):
    path = world.path(name)
    subprocess.run(["cc", "-o", path, *options, "-x", "c", "-"], input=source, text=True, check=True)
    return path


def program_without_preload(world, name, *options):
    """A program that preflight has nothing against, but whose loader preloads nothing."""
    loader = compile_program(world, name + "-loader", "-nostdlib", "-static-pie", "-fPIE", *options, source=LOADER)
    return compile_program(world, name, f"-Wl,--dynamic-linker={loader}")


def test_what_cannot_be_preloaded_is_refused_with_the_reason():
    with place() as (world, file):
        section = '__attribute__((section(".go.buildinfo"))) int go = 1;\nint main(void) { return 0; }\n'
        programs = {
            compile_program(world, "static", "-static"): "statically linked",
            compile_program(world, "gopher", source=section): "made with Go",
        }
        capable = compile_program(world, "capable")
        if os.geteuid() == 0:
            setgid = compile_program(world, "setgid")
            os.chown(setgid, 0, NOBODY)
            os.chmod(setgid, 0o2755)
            programs[setgid] = "setuid or setgid"
            # VFS_CAP_REVISION_2 with CAP_NET_RAW: <linux/capability.h>
            os.setxattr(capable, "security.capability", b"\0\0\0\2" + b"\0\x20\0\0" + bytes(12))
            programs[capable] = "file capabilities"
        for program, why in programs.items():
            name = os.path.basename(program)
            for script in ("", f"#!{program}\n", f"#!/usr/bin/env -S A=1 {name} -x\n"):
                command = program
                if script:
                    command = world.path("script")
                    with open(command, "w", encoding="ascii") as out:
                        out.write(script)
                    os.chmod(command, 0o755)
                path = f"{world.folder}:{CLEAN_ENV['PATH']}"
                shown = hybridge("run", "-f", file, "--", command, PATH=path)
                assert shown.status == 126, (program, script, shown.status, shown.err)
                assert why in shown.err and program in shown.err and "\n  -> " in shown.err, shown.err


def test_a_library_that_the_loader_would_not_find_is_refused():
    with place() as (world, file):
        for name in ("my tools", "a:b"):
            folder = world.path(name)
            os.mkdir(folder)
            for part in ("hybridge", "libhybridge.so", "hybridge-sender"):
                shutil.copy2(os.path.join(BUILD, part), folder)
            for strict in ("--strict", "--no-strict"):
                shown = subprocess.run(
                    [os.path.join(folder, "hybridge"), "run", strict, "-f", file, "--", "echo", "ran"],
                    env=CLEAN_ENV, capture_output=True, text=True, timeout=DEADLINE, check=False,
                )
                assert shown.returncode == 125 and not shown.stdout, (name, strict, shown)
                assert f"{folder}/libhybridge.so" in shown.stderr and "\n  -> " in shown.stderr, shown.stderr
                assert shown.stderr.count("hybridge: ") == 1, shown.stderr


def test_a_program_that_did_not_load_the_library_is_warned_about_once():
    with place() as (world, file):
        shown = hybridge("run", "-f", file, "--", program_without_preload(world, "stranger"))
        assert shown.status == 7, (shown.status, shown.err)
        assert shown.err.startswith("hybridge: warning: "), shown.err
        assert "stranger' did not load the library" in shown.err and "--strict" in shown.err, shown.err
        assert shown.err.count("\n") == 2, shown.err


def test_a_program_that_goes_on_without_the_library_is_warned_about_after_two_seconds():
    with place() as (world, file):
        program = world.start([HYBRIDGE, "run", "-f", file, program_without_preload(world, "endless", "-DFOREVER")])
        program.wait_log("hybridge: warning: .*endless' did not load the library; its connections go out directly")
        assert program.alive()
        program.kill()


def test_strict_stops_a_program_that_did_not_load_the_library():
    with place() as (world, file):
        for name, options, how in (("stranger", [], "has ended"), ("endless", ["-DFOREVER"], "was stopped")):
            program = program_without_preload(world, name, *options)
            for choose, env in ((["--strict"], {}), ([], {"CI": "true"})):
                shown = hybridge("run", *choose, "-f", file, "--", program, **env)
                assert shown.status == 126, (shown.status, shown.err)
                assert f"{name}' did not load the library and {how}" in shown.err, shown.err
                assert "\n  -> see why: hybridge run -v" in shown.err, shown.err
        shown = hybridge("run", "--no-strict", "-f", file, "--", world.path("stranger"), CI="true")
        assert shown.status == 7 and "hybridge: warning: " in shown.err, (shown.status, shown.err)


def test_a_program_that_did_load_it_is_not_talked_about():
    with place() as (_, file):
        for strict in ([], ["--strict"]):
            for command, status in ((["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -9 $$"], 137), (["true"], 0)):
                shown = hybridge("run", *strict, "-f", file, "--", *command)
                expected = -9 if status == 137 and not strict else status
                assert (shown.status, shown.out, shown.err) == (expected, "", ""), (strict, shown.status, shown.err)


def test_a_closed_standard_stream_is_nobody_elses():
    with place() as (world, file):
        for strict in ("--strict", "--no-strict"):
            for closed in ("<&-", ">&-", "<&- >&-", "2>&-", "<&- >&- 2>&-"):
                ran = world.path("ran")
                shown = subprocess.run(
                    ["sh", "-c", f'exec "$@" {closed}', "sh", HYBRIDGE, "run", strict, "-f", file, "--",
                     "sh", "-c", 'echo yes >"$0"; exit 7', ran],
                    env=CLEAN_ENV, capture_output=True, timeout=DEADLINE, check=False,
                )
                assert (shown.returncode, shown.stdout, shown.stderr) == (7, b"", b""), (strict, closed, shown)
                os.unlink(ran)


def test_verbose_says_what_is_used():
    with place() as (world, file):
        script = world.path("script")
        with open(script, "w", encoding="ascii") as out:
            out.write("#!/usr/bin/env sh\nexit 3\n")
        os.chmod(script, 0o755)
        shown = hybridge("run", "-v", "-f", file, "--", script)
        assert shown.status == 3
        for said in (f"configuration {file}", f"program {script}", "which is run by /", "loader /", "library /"):
            assert f"hybridge: {said}" in shown.err, (said, shown.err)
        musl = world.path("musl")
        subprocess.run(
            ["musl-gcc", "-o", musl, "-x", "c", "-"], input="int main(void) { return 4; }", text=True, check=True
        )
        for strict in ("--strict", "--no-strict"):
            shown = hybridge("run", "-v", strict, "-f", file, "--", musl)
            assert shown.status == 4 and "of musl: the library works there, too" in shown.err, shown.err


def test_a_program_that_cannot_be_executed_is_one_message_only():
    with place() as (world, file):
        broken = compile_program(world, "broken", f"-Wl,--dynamic-linker={world.path('no-loader')}")
        for strict in ("--strict", "--no-strict"):
            shown = hybridge("run", strict, "-f", file, "--", broken)
            assert shown.status == 127, (shown.status, shown.err)
            assert shown.err.count("hybridge: ") == 1 and "did not load" not in shown.err, shown.err


def children(pid):
    return [int(word) for word in read_proc(pid, f"task/{pid}/children").split()]


def state(pid):
    return read_proc(pid, "stat").rpartition(b")")[2].decode().strip()[:1]


@contextlib.contextmanager
def listener(world, file, *signals, strict="--strict"):
    """A program that says which signals came, run by hybridge; yields both pids and its output."""
    process = world.start([HYBRIDGE, "run", strict, "-f", file, "--", PYTHON, "-c", LISTENER, *signals])
    until(lambda: process.out.startswith("ready ") and process.out.endswith("\n"), "the program")
    yield process, int(process.out.split()[1])


def test_without_strict_the_program_takes_hybridges_place():
    with place() as (world, file), listener(world, file, strict="--no-strict") as (process, pid):
        assert process.pid == pid
        until(lambda: children(pid) == [], "no child that the program did not start")
        process.expected_status = -signal.SIGTERM
        assert process.stop() == process.expected_status


def test_strict_passes_signals_on_and_ends_as_the_program_does():
    with place() as (world, file), listener(world, file, "SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1") as (process, pid):
        assert process.pid != pid
        for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"):
            before = process.out
            process.signal(getattr(signal, name))
            until(lambda: process.out == before + name + "\n", f"{name} in the program")
        process.signal(signal.SIGUSR2)
        assert process.wait() == 128 + signal.SIGUSR2
        assert not os.path.exists(f"/proc/{pid}"), f"the program is {state(pid)}"
        process.expected_status = process.popen.returncode


def test_strict_keeps_what_is_ignored_and_nothing_else():
    show = "grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status"
    with place() as (_, file):
        for ignored in ("", "HUP", "CHLD"):
            command = f"trap '' {ignored}; exec \"$@\"" if ignored else 'exec "$@"'
            told = [
                subprocess.run(
                    ["sh", "-c", command, "sh", *hybridge_or_not, "sh", "-c", show],
                    env=CLEAN_ENV, capture_output=True, text=True, check=True, timeout=DEADLINE,
                ).stdout
                for hybridge_or_not in ([], [HYBRIDGE, "run", "--strict", "-f", file, "--"])
            ]
            assert told[0] == told[1] and "SigIgn" in told[0], (ignored, told)


def test_the_program_does_not_survive_a_strict_parent():
    with place() as (world, file), listener(world, file) as (process, pid):
        process.kill()
        until(lambda: state(pid) in ("", "Z"), "the end of the program")


def test_strict_keeps_no_pipe_open_that_the_program_has_closed():
    with place() as (_, file):
        reading, end = os.pipe()
        with subprocess.Popen(
            [HYBRIDGE, "run", "--strict", "-f", file, "--", PYTHON, "-c", CLOSER, str(end)],
            env=CLEAN_ENV, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(end,),
        ) as process:
            os.close(end)
            assert process.stdout.read() == b"" == os.read(reading, 1)
            process.terminate()
            assert process.wait(DEADLINE) == 5
        os.close(reading)


class Terminal:
    """A shell's part: a session with a terminal, and a job in its foreground."""

    def __init__(self, argv):
        self.master, slave = pty.openpty()

        def take():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.shell = subprocess.Popen(
            [PYTHON, "-c", SHELL, *argv], env=CLEAN_ENV, stdin=slave, stdout=slave, stderr=slave, preexec_fn=take
        )
        os.close(slave)
        self.text = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.master)
        self.shell.wait(DEADLINE)

    def type(self, text):
        os.write(self.master, text)

    def wait(self, text):
        """Waits for it in what was printed since the last wait; returns what came before."""

        def find():
            if select.select([self.master], [], [], 0.05)[0]:
                self.text += os.read(self.master, 4096).decode()
            return text in self.text

        until(find, f"{text!r} on the terminal")
        before, _, self.text = self.text.partition(text)
        return before


SHELL = """
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = os.fork()
if job == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    # As shells do: whoever started this in the background ignores the last two.
    for number in signal.SIGTTOU, signal.SIGINT, signal.SIGQUIT:
        signal.signal(number, signal.SIG_DFL)
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    _, status = os.waitpid(job, os.WUNTRACED)
    os.tcsetpgrp(0, os.getpgrp())
    if not os.WIFSTOPPED(status):
        break
    print("job stopped", flush=True)
    sys.stdin.readline()
    os.tcsetpgrp(0, job)
    os.killpg(job, signal.SIGCONT)
print("job ended with", os.waitstatus_to_exitcode(status), flush=True)
"""


def test_strict_shares_the_terminals_keys_with_the_program():
    with place() as (_, file):
        argv = [HYBRIDGE, "run", "--strict", "-f", file, "--", PYTHON, "-c", LISTENER, "SIGINT", "SIGCONT"]
        with Terminal(argv) as terminal:
            terminal.wait("ready ")
            terminal.wait("\r\n")
            for _ in range(2):
                terminal.type(b"\x03")
                terminal.wait("SIGINT\r\n")
                terminal.type(b"\x1a")
                assert "SIGINT" not in terminal.wait("job stopped"), "Ctrl-C came twice"
                terminal.type(b"fg\n")
                terminal.wait("SIGCONT\r\n")
            terminal.type(b"\x1c")
            terminal.wait(f"job ended with {128 + signal.SIGQUIT}")


if __name__ == "__main__":
    main()
