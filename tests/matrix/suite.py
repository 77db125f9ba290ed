"""Runs tests that others wrote, in Python; prints "OUTCOME test" for each, for comparison.

    python3 suite.py NAME...      with the shim preloaded or without

A NAME is a module, a class or a test, as unittest names it.  Trial's tests
(Twisted's) are such as well.
"""

import os
import sys
import unittest
import warnings

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

    def addExpectedFailure(self, test, err, *_):
        self.say("ok", test)

    def addUnexpectedSuccess(self, test, *_):
        self.say("failed", test, "although it was expected to fail, it did not")

    def addError(self, test, err):
        self.say("failed", test, self._exc_info_to_string(err, test))

    def addFailure(self, test, err):
        self.say("failed", test, self._exc_info_to_string(err, test))

    def addSubTest(self, test, subtest, err):
        if err:
            self.say("failed", test, self._exc_info_to_string(err, test))


def tests_of(suite):
    """All tests in a suite, without the endless ones."""
    for one in suite:
        if isinstance(one, unittest.TestSuite):
            yield from tests_of(one)
        elif ENDLESS not in one.id():
            yield one


def main():
    # Some of the tests print.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    names = sys.argv[1:]
    if any(name.startswith("test.") for name in names):
        from test import support

        support.use_resources = []
        support.verbose = 0
    else:
        warnings.simplefilter("ignore")  # of a newer Python than these tests knew
    result = Outcomes(out)
    for name in names:
        loaded = unittest.defaultTestLoader.loadTestsFromName(name)
        unittest.TestSuite(tests_of(loaded)).run(result)


if __name__ == "__main__":
    main()
