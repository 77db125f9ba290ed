"""Runs modules of Python's own test suite; prints "OUTCOME test" for each test, for comparison.

    python3 suite.py MODULE...      with the shim preloaded or without
"""

import os
import sys
import unittest

# No neighbour answers on such a socket, and nothing ends the wait.
ENDLESS = "VSOCK"


class Outcomes(unittest.TestResult):
    """Writes one line when a test ends."""

    def __init__(self, out):
        super().__init__()
        self.out = out

    def say(self, outcome, test, details=""):
        print(outcome, test.id(), file=self.out, flush=True)
        print(outcome, test.id(), details, file=sys.stderr)

    def addSuccess(self, test):
        self.say("ok", test)

    def addSkip(self, test, reason):
        self.say("skipped", test, reason)

    def addExpectedFailure(self, test, err):
        self.say("ok", test)

    def addError(self, test, err):
        self.say("failed", test, self._exc_info_to_string(err, test))

    def addFailure(self, test, err):
        self.say("failed", test, self._exc_info_to_string(err, test))


def tests_of(suite):
    """All tests in a suite, without the endless ones."""
    for one in suite:
        if isinstance(one, unittest.TestSuite):
            yield from tests_of(one)
        elif ENDLESS not in one.id():
            yield one


def main():
    from test import support

    # Some of the tests print.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    support.use_resources = []
    support.verbose = 0
    result = Outcomes(out)
    for name in sys.argv[1:]:
        loaded = unittest.defaultTestLoader.loadTestsFromName("test." + name)
        unittest.TestSuite(tests_of(loaded)).run(result)


if __name__ == "__main__":
    main()
