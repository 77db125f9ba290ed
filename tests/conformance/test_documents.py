#!/usr/bin/env python3
"""What the documents say about the protocol is what really happens."""

import difflib
import glob
import os
import re

import transcripts
from peers import HERE, main


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def test_the_transcripts_in_protocol_md_are_what_nc_and_curl_see():
    made, shown = transcripts.make(), transcripts.shown()
    diff = difflib.unified_diff(shown.splitlines(), made.splitlines(), "PROTOCOL.md", "now", lineterm="")
    told = "\n".join(diff)
    assert made == shown, f"run tests/conformance/transcripts.py --write if this is meant:\n{told}"


def test_every_case_in_the_readme_names_tests_that_are_there():
    text = read(os.path.join(HERE, "README.md"))
    sources = "".join(read(path) for path in glob.glob(os.path.join(HERE, "test_*.py")))
    there = set(re.findall(r"^def (test_\w+)", sources, re.MULTILINE))
    rows = re.findall(r"^\| (\d+b?(?:, \d+)*) \|.*\| (.*) \|$", text, re.MULTILINE)
    numbers = [number for row in rows for number in row[0].split(", ")]
    assert numbers == sorted([*map(str, range(1, 41)), "15b"], key=order), numbers
    for number, tests in rows:
        named = re.findall(r"`(test_\w+)`", tests)
        assert named and set(named) <= there, (number, set(named) - there)


def order(number):
    return int(number.rstrip("b")), number


if __name__ == "__main__":
    main()
