"""Runs other people's tests with the shim and without it, and compares test by test.

They come from Debian, for its python3.  The map names other hosts than they
use, so that the shim is loaded, configured and asked at every call, but must
not be noticed: "ok", "skipped" or "failed" has to be the same in both runs.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
from harness import SLOWNESS, World, at_once  # noqa: E402 (found only now)
import harness  # noqa: E402
import tap  # noqa: E402 (the harness finds it)

PYTHON = "/usr/bin/python3"
SECONDS = 180  # for one run of the longest suite, on a busy machine
TRIES = 3
SUITE = [PYTHON, os.path.join(HERE, "suite.py")]


def outcomes(program):
    """{test: outcome} of a run of suite.py."""
    assert program.wait(SECONDS * SLOWNESS) == 0, program.out[-500:] + program.err[-3000:]
    lines = [line.split(" ", 1) for line in program.out.splitlines()]
    return {test: outcome for outcome, test in lines}


def compare(*modules, at_least):
    """Both runs side by side; what failed in one of them only is tried again alone.

    Some tests of these suites measure time, and fail on a busy machine with and without the shim: a
    difference is what TRIES runs of both show.
    """
    with World() as world:
        relay = world.relay(["db"])
        app = world.app(relay, {"db": "db.corp:5432 10.1.2.3:* *.inside.corp:443"})

        def run(names, preloaded):
            start = app.start if preloaded else world.start
            cwd = world.path(f"cwd-{len(world.processes)}")
            os.mkdir(cwd)
            return start([*SUITE, *names], cwd=cwd)

        programs = [run(modules, False), run(modules, True)]
        plain, shimmed = at_once([lambda one=one: outcomes(one) for one in programs])
        assert len(plain) >= at_least, f"only {len(plain)} tests ran"
        assert plain.keys() == shimmed.keys(), plain.keys() ^ shimmed.keys()
        for outcome in ("ok", "skipped", "failed"):
            print(f"# {list(plain.values()).count(outcome)} {outcome} without the shim")
        different = [test for test in plain if plain[test] != shimmed[test]]
        for test in different:
            print(f"# {test}: {plain[test]} without, {shimmed[test]} with it; again, alone")
            for _ in range(TRIES):
                again = [outcomes(run([test], preloaded)) for preloaded in (False, True)]
                if again[0] == again[1]:
                    break
            else:
                raise harness.Failure(f"{again}\n{programs[1].err}")


def main():
    """Runs the test_ functions of the file that was started, each with time enough."""
    tap.TIMEOUT = SECONDS
    harness.main()
