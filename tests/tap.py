"""Runs the test_ functions of a test file and prints TAP (version 12).

    import tap

    def test_a_connect_is_held():
        assert ...

    if __name__ == "__main__":
        tap.main()

The function's name is the sentence that is printed.  A test fails when it
raises, or when it takes longer than TIMEOUT seconds; tap.skip("why") leaves
it.  `tap.main()` exits with 1 when a test failed.  Words given on the command
line choose the tests whose names hold one of them.
"""

import faulthandler
import signal
import sys
import traceback

TIMEOUT = 60


class Skip(Exception):
    """Raised by skip()."""


def skip(why):
    """Leaves the running test; TAP shows it as skipped."""
    raise Skip(why)


def _diagnose(text):
    for line in text.rstrip().splitlines():
        print("#", line, flush=True)


def _on_alarm(_signal, _frame):
    raise TimeoutError(f"not done after {TIMEOUT} s")


def _run(function):
    signal.alarm(TIMEOUT)
    try:
        function()
        return "ok", "", ""
    except Skip as why:
        return "ok", f" # SKIP {why}", ""
    except Exception:  # whatever it is, the next test must run
        return "not ok", "", traceback.format_exc()
    finally:
        signal.alarm(0)


def main():
    """Runs every function named test_... of the main module, in file order."""
    # A hang that no alarm can end still says where it hangs.
    faulthandler.dump_traceback_later(TIMEOUT * 4, exit=True)
    signal.signal(signal.SIGALRM, _on_alarm)
    module = sys.modules["__main__"]
    tests = [
        f
        for name, f in vars(module).items()
        if name.startswith("test_") and callable(f)
    ]
    words = sys.argv[1:]
    if words:
        tests = [f for f in tests if any(w in f.__name__ for w in words)]
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for number, function in enumerate(tests, 1):
        name = function.__name__.removeprefix("test_").replace("_", " ")
        result, remark, diagnosis = _run(function)
        failed += result != "ok"
        # Before the result: what the test printed stands there as well.
        _diagnose(diagnosis)
        print(f"{result} {number} - {name}{remark}", flush=True)
    sys.exit(1 if failed else 0)
