"""A client of the matrix: what its file in clients/ declares, made ready to run.

A file declares, all but the first three by default:

    NEEDS     Debian packages, separated by blanks (tests/deps reads this line)
    SERVICE   the service that it talks to: one of services.PORTS
    COMMAND   its command line
    PRINTS    a regular expression: what it prints after success
    REFUSED   the same, after a refused connection; its exit status must not be 0 then
    TIMED_OUT the same, after a connection that timed out
    SOURCE    (name, text) of a source file or script
    BUILD     the command that makes a program of it, once
    ONCE      True where PRINTS appears once for all {count} connections

The first line of the file's comment describes it in the table.  Words in
braces are replaced in COMMAND and BUILD: {host}, {port}, {file} (the source
file), {folder} (its folder), {python}, {npm} (the folder of npm's packages),
and {count}: how many connections to open at once.  A command without {count}
is run a hundred times instead.
"""

import importlib.util
import os
import re
import subprocess

from harness import BUILD, PYTHON, Failure

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")


class Client:
    """One client; .prepare() comes before .command()."""

    def __init__(self, path):
        self.name = os.path.basename(path)[: -len(".py")]
        spec = importlib.util.spec_from_file_location("clients." + self.name, path)
        declared = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(declared)
        self.about = declared.__doc__.strip().splitlines()[0]
        self.service = declared.SERVICE
        self.argv = declared.COMMAND
        self.prints = declared.PRINTS
        self.refused = getattr(declared, "REFUSED", "Connection refused")
        self.timed_out = getattr(declared, "TIMED_OUT", "Connection timed out")
        self.source = getattr(declared, "SOURCE", None)
        self.build = getattr(declared, "BUILD", None)
        self.once = getattr(declared, "ONCE", False)
        self.words = {"python": PYTHON, "npm": os.path.join(BUILD, "npm", "node_modules")}
        self.counts = any("{count}" in word for word in self.argv)

    def prepare(self, folder):
        """Writes and builds its program."""
        os.mkdir(folder)
        self.words["folder"] = folder
        if self.source:
            name, text = self.source
            self.words["file"] = os.path.join(folder, name)
            with open(self.words["file"], "w", encoding="utf-8") as file:
                file.write(text)
        if self.build:
            built = subprocess.run(self._filled(self.build, {}), capture_output=True, text=True)
            if built.returncode != 0:
                raise Failure(f"{self.name} does not build:\n{built.stdout}{built.stderr}")

    def command(self, words):
        """The command line, with these words and its own filled in."""
        return self._filled(self.argv, words)

    def _filled(self, argv, words):
        values = {**self.words, **words}
        return [
            re.sub(r"\{(\w+)\}", lambda m: str(values.get(m[1], m[0])), word) for word in argv
        ]


def load():
    """All clients, by name."""
    files = sorted(name for name in os.listdir(CLIENTS) if name.endswith(".py"))
    return [Client(os.path.join(CLIENTS, name)) for name in files]
