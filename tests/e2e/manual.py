"""What the manual pages say, taken apart for the tests that hold them against the programs."""

import functools
import glob
import os
import re
import subprocess

from harness import BUILD, CLEAN_ENV, SOURCE

FOLDER = os.path.join(SOURCE, "man")
# "hybridge.1": its path
PAGES = {os.path.basename(path): path for path in sorted(glob.glob(os.path.join(FOLDER, "*")))}

DAEMONS = ("hybridge-sender", "hybridge-agent", "hybridge-relay")

KEY = r"HYBRIDGE_[A-Z0-9_*]*[A-Z0-9*]"
# "[CONFIG_HOSTS] = {"HYBRIDGE_*_HOSTS", ..."
KEY_IN_TABLE = re.compile(rf'\[\w+\]\s*=\s*\{{\s*"({KEY})"')
OPTION = re.compile(r"(?<![\w-])(--?[a-z][a-z-]*|-[A-Z])\b")


def read(*path):
    with open(os.path.join(SOURCE, *path), encoding="utf-8") as file:
        return file.read()


@functools.cache
def page(name):
    return read("man", name)


def part(text, macro, title):
    """What is below a heading ("Sh" or "Ss"), up to the next one of its kind or higher."""
    end = r"\.Sh " if macro == "Sh" else r"\.S[hs] "
    found = re.search(rf"^\.{macro} {re.escape(title)}\n(.*?)(?=^{end}|\Z)", text, re.M | re.S)
    assert found, f"no {macro} {title}"
    return found[1]


def items(text):
    """The heads of the lists' items."""
    return re.findall(r"^\.It (.*)$", text, re.M)


def options(text):
    """Options that have an item: {"-f", "--config"}."""
    found = set()
    for item in items(text):
        # "Fl f Ar file , Fl -config Ar file"
        found.update("-" + name for name in re.findall(r"\bFl (-?[A-Za-z][a-z-]*)", item))
    return found


def keys_of(*path):
    """The keys in a table of the sources."""
    keys = KEY_IN_TABLE.findall(read(*path))
    assert len(keys) > 5, path
    return set(keys)


def statuses(text):
    """What EXIT STATUS says: {64: "The command line is wrong. ..."}."""
    said = part(text, "Sh", "EXIT STATUS")
    found = re.findall(r"^\.It (\d+)\n(.*?)(?=^\.It|^\.El)", said, re.M | re.S)
    return {int(number): meaning for number, meaning in found}


def examples(name):
    """Env files among the examples: {"app.env": text}."""
    blocks = re.findall(r"^\.Bd -literal\n# (\S+\.env)\n(.*?)^\.Ed", page(name), re.M | re.S)
    return dict(blocks)


def run(program, *args, env=None, cwd=None):
    """A program of ours, with nothing of the caller's configuration."""
    return subprocess.run(
        [os.path.join(BUILD, program), *args],
        env={**CLEAN_ENV, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=60,
        check=False,
    )


def shown_options(program, *command):
    """Options in a --help; its examples are other programs' too."""
    done = run(program, *command, "--help")
    assert done.returncode == 0, done.stderr
    text = re.sub(r"^  (HYBRIDGE_ENV=\S+ )?hybridge .*$", "", done.stdout, flags=re.M)
    return set(OPTION.findall(text))


@functools.cache
def commands():
    """The commands of hybridge, as its --help lists them."""
    return tuple(re.findall(r"^  (\w+) ", run("hybridge", "--help").stdout, re.M))
