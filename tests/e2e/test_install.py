#!/usr/bin/env python3
"""make install and make uninstall: what is put where, and that nothing stays."""

import os
import re
import stat
import subprocess
import tempfile

import manual
from harness import CLEAN_ENV, SOURCE, main

PREFIX = "/opt/hybridge"


def make(target, root, **variables):
    words = [f"{name}={value}" for name, value in {"PREFIX": PREFIX, **variables}.items()]
    build = {name: os.environ[name] for name in ("B", "SAN") if os.environ.get(name)}
    # What is installed is what is tested: nothing is built for it.
    done = subprocess.run(
        ["make", "--no-print-directory", "-o", "programs", target, f"DESTDIR={root}", *words],
        env={**CLEAN_ENV, **build},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=SOURCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def files(root):
    """Every file below a folder, and its mode: {"/opt/hybridge/bin/hybridge": 0o755}."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            found["/" + os.path.relpath(path, root)] = stat.S_IMODE(os.stat(path).st_mode)
    return found


def read(root, path):
    with open(root + path, encoding="utf-8") as file:
        return file.read()


def test_programs_library_pages_and_completion_are_where_they_are_looked_for():
    with tempfile.TemporaryDirectory() as root:
        make("install", root)
        found = files(root)
        assert found[f"{PREFIX}/bin/hybridge"] == 0o755
        for daemon in manual.DAEMONS:
            assert found[f"{PREFIX}/sbin/{daemon}"] == 0o755
        assert found[f"{PREFIX}/lib/hybridge/libhybridge.so"] == 0o644
        for page in manual.PAGES:
            assert found[f"{PREFIX}/share/man/man{page[-1]}/{page}"] == 0o644
        examples = f"{PREFIX}/share/doc/hybridge/examples"
        for path, mode in files(os.path.join(SOURCE, "examples")).items():
            if not path.startswith(("/demo/", "/systemd/")):
                assert found[examples + path] == (0o755 if mode & 0o100 else 0o644), path
        assert found[f"{PREFIX}/share/bash-completion/completions/hybridge"] == 0o644
        assert found[f"{PREFIX}/share/zsh/site-functions/_hybridge"] == 0o644
        assert all(path.startswith(PREFIX + "/") for path in found), found


def test_pages_name_the_folder_that_the_library_was_installed_to():
    with tempfile.TemporaryDirectory() as root:
        make("install", root, LIBDIR="/opt/libraries")
        text = read(root, f"{PREFIX}/share/man/man7/libhybridge.7")
        assert "Pa /opt/libraries/hybridge/libhybridge.so" in text
        text = read(root, f"{PREFIX}/share/doc/hybridge/examples/apps/README.md")
        assert "/opt/libraries/hybridge/libhybridge.so" in text and "/usr/local" not in text
        for page in manual.PAGES:
            assert "/usr/local" not in read(root, f"{PREFIX}/share/man/man{page[-1]}/{page}"), page


def test_folders_of_ones_own_are_used():
    with tempfile.TemporaryDirectory() as root:
        make("install", root, MANDIR="/m", COMPLETIONDIR="/c", ZSHDIR="/z", EXAMPLEDIR="/e")
        found = files(root)
        assert {"/m/man1/hybridge.1", "/c/hybridge", "/z/_hybridge"} <= set(found), found
        assert "/e/hybridge.env" in found and not re.search(r"/share/", " ".join(found)), found


def test_uninstall_leaves_nothing_but_what_others_have_put_there():
    with tempfile.TemporaryDirectory() as root:
        make("install", root)
        others = f"{PREFIX}/share/man/man1/other.1"
        with open(root + others, "w", encoding="ascii"):
            pass
        make("uninstall", root)
        assert list(files(root)) == [others]
        os.unlink(root + others)
        make("install", root)
        make("uninstall", root)
        assert files(root) == {}
        assert sorted(os.listdir(root + PREFIX)) == ["bin", "sbin"]


if __name__ == "__main__":
    main()
