#!/usr/bin/env python3
"""The runner itself: whatever goes wrong in a test file must not pass unseen."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from harness import CLEAN_ENV, DEADLINE, SOURCE, main, read_proc, until

TWO_FAILURES = """
import sys
sys.path.insert(0, "tests")
import tap

def test_first():
    raise ValueError("the first cause")

def test_between():
    pass

def test_second():
    raise ValueError("the second cause")

tap.main()
"""

RUNNER = os.path.join(SOURCE, "tests", "run")


class Tree:
    """A source tree that has the runner and some test files."""

    def __init__(self, folder):
        self.folder = folder
        for kind in ("unit", "shim", "e2e"):
            os.makedirs(os.path.join(folder, "tests", kind))
        shutil.copy(RUNNER, os.path.join(folder, "tests"))

    def add(self, name, text, mode=0o755):
        path = os.path.join(self.folder, "tests", "e2e", f"test_{name}.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, mode)

    def start(self, **env):
        return subprocess.Popen(
            ["tests/run"], cwd=self.folder, env={**CLEAN_ENV, "TEST_SECONDS": "10", **env}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )

    def run(self, **env):
        """Exit status, last line, and everything that was printed."""
        with self.start(**env) as runner:
            out, _ = runner.communicate(timeout=DEADLINE)
        return runner.returncode, out.splitlines()[-1], out


@contextlib.contextmanager
def tree():
    with tempfile.TemporaryDirectory(prefix="hybridge-runner-") as folder:
        yield Tree(folder)


def expect(text, last, why, status=1, **env):
    with tree() as it:
        it.add("one", text)
        seen = it.run(**env)
        assert seen[:2] == (status, last) and why in seen[2], seen


def test_results_are_counted_and_the_last_line_is_the_sum():
    with tree() as it:
        it.add("good", "echo 1..2; echo ok 1 - a; echo ok 2 - b")
        it.add("bad", "echo 1..2; echo ok 1 - c; echo '# because'; echo not ok 2 - d; exit 1")
        status, last, out = it.run()
        assert (status, last) == (1, "3 passed, 1 failed"), out
        assert "failed: d\n" in out and "because" in out and "not ok 2 - d" in out, out


def test_each_failure_is_explained_under_its_own_name():
    with tree() as it:
        shutil.copy(os.path.join(SOURCE, "tests", "tap.py"), os.path.join(it.folder, "tests"))
        path = os.path.join(it.folder, "tests", "e2e", "test_two.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!{sys.executable}\n{TWO_FAILURES}")
        os.chmod(path, 0o755)
        status, last, out = it.run()
        assert (status, last) == (1, "1 passed, 2 failed"), out
        first, second = out.index("failed: first"), out.index("failed: second")
        assert first < out.index("the first cause") < second < out.index("the second cause"), out


def test_everything_passed_is_status_0():
    expect("echo 1..1; echo ok 1 - a", "1 passed, 0 failed", "", status=0)


def test_no_test_at_all_is_a_failure():
    with tree() as it:
        assert it.run()[:2] == (1, "0 passed, 0 failed")
    expect("echo 1..0", "0 passed, 1 failed", "ran no test")
    expect("", "0 passed, 1 failed", "printed no plan")


def test_a_plan_that_was_not_kept_is_a_failure():
    expect("echo 1..3; echo ok 1 - a", "1 passed, 1 failed", "planned 3 tests, ran 1")
    expect("echo ok 1 - a", "1 passed, 1 failed", "printed no plan")


def test_a_crash_is_a_failure_even_when_all_was_ok_before():
    expect("echo 1..1; echo ok 1 - a; kill -SEGV $$", "1 passed, 1 failed", "killed by SIGSEGV")
    expect("echo 1..1; echo ok 1 - a; exit 3", "1 passed, 1 failed", "exit status 3")


def test_a_file_that_cannot_be_run_is_a_failure():
    with tree() as it:
        it.add("locked", "", mode=0o644)
        with open(os.path.join(it.folder, "tests", "unit", "test_unbuilt.c"), "w", encoding="utf-8"):
            pass
        status, last, out = it.run()
        assert (status, last) == (1, "0 passed, 2 failed") and out.count("cannot run ") == 2, out


def test_a_skip_needs_a_reason():
    expect("echo 1..2; echo ok 1 - a; echo 'ok 2 - b # SKIP no such tool'", "1 passed, 0 failed",
           "skipped: b: no such tool", status=0)
    expect("echo 1..1; echo 'ok 1 - a # SKIP'", "0 passed, 1 failed", "SKIP without a reason")
    expect("echo 1..1; echo 'not ok 1 # SKIP a'", "0 passed, 1 failed", "SKIP without a reason")


def test_a_file_that_hangs_is_ended():
    expect("echo 1..1; exec tail -f /dev/null", "0 passed, 1 failed", "not finished after 1 s", TEST_SECONDS="1",
           SAN="")


def test_a_process_that_was_left_behind_is_named_and_ended():
    with tree() as it:
        pid_file = os.path.join(it.folder, "pid")
        it.add("one", f"echo 1..1; setsid sh -c 'echo $$ >{pid_file}; exec tail -f /dev/null' >/dev/null 2>&1 &\n"
                      f"while [ ! -s {pid_file} ]; do :; done; echo ok 1 - a")
        status, last, out = it.run()
        with open(pid_file, encoding="ascii") as file:
            pid = int(file.read())
        assert (status, last) == (1, "1 passed, 1 failed") and f"{pid}: tail -f /dev/null" in out, out
        assert not read_proc(pid, "cmdline"), out


def test_a_runner_that_is_stopped_takes_its_tests_along():
    with tree() as it:
        pid_file = os.path.join(it.folder, "pid")
        it.add("one", f"echo $$ >{pid_file}.new; mv {pid_file}.new {pid_file}; exec tail -f /dev/null")
        with it.start() as runner:
            until(lambda: os.path.exists(pid_file), "the test file to run")
            with open(pid_file, encoding="ascii") as file:
                pid = int(file.read())
            runner.send_signal(signal.SIGTERM)
            runner.wait(DEADLINE)
        assert runner.returncode == 128 + signal.SIGTERM, runner.returncode
        until(lambda: not read_proc(pid, "cmdline"), "the end of the test file")


def test_a_test_does_not_see_the_callers_settings():
    with tree() as it:
        it.add("one", 'echo 1..1; [ -z "$HYBRIDGE_ENV$https_proxy$LD_PRELOAD" ] && [ -d "$XDG_RUNTIME_DIR" ] && '
                      "echo ok 1 - a || echo not ok 1 - a")
        status, last, out = it.run(HYBRIDGE_ENV="/x", https_proxy="http://127.0.0.1:1")
        assert (status, last) == (0, "1 passed, 0 failed"), out


if __name__ == "__main__":
    main()
