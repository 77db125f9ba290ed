#!/usr/bin/env python3
"""The Debian packages, as `make deb` builds them: what is in them, that it works, what lintian says."""

import atexit
import collections
import functools
import gzip
import os
import re
import shutil
import stat
import subprocess
import tarfile
import tempfile

import clients
import harness
import servers
from harness import CLEAN_ENV, SOURCE, VALGRIND, World, main, tap, tool

tap.TIMEOUT = 180  # the first test builds

PACKAGES = {"hybridge", "libhybridge", "hybridge-agent", "hybridge-relay"}
# As debian/rules has them.
PATHS = ("PREFIX=/usr", "UNITDIR=/lib/systemd/system", "SYSUSERSDIR=/usr/lib/sysusers.d",
         "ZSHDIR=/usr/share/zsh/vendor-completions")
# What Debian adds: a package's own documents, its folder's other name, and what lintian is told.
DEBIANS = re.compile(r"/usr/share/(doc/[^/]+/(copyright|changelog\.gz|[A-Z]+\.md(\.gz)?|examples)|lintian/.*)$")

Package = collections.namedtuple("Package", "path root fields members")


def run(*argv, **env):
    env = {**CLEAN_ENV, **env}
    options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "errors": "replace", "cwd": SOURCE}
    return subprocess.run(argv, env=env, check=False, **options)


def output(*argv, **env):
    done = run(*argv, **env)
    assert done.returncode == 0, (argv, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def read(path):
    with gzip.open(path + ".gz", "rt") if os.path.exists(path + ".gz") else open(path, encoding="utf-8") as file:
        return file.read()


def tree():
    """Every file beside what was built, and its size."""
    found = {}
    for folder, folders, names in os.walk(SOURCE):
        folders[:] = [name for name in folders if not re.match(r"\.git$|build$|build-|__pycache__$", name)]
        found.update((path, os.lstat(path).st_size) for path in (os.path.join(folder, name) for name in names))
    return found


@functools.cache
def scratch():
    folder = tempfile.mkdtemp(prefix="hybridge-packages-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def packages():
    """Builds them, once; {name: Package}.  -O1 -g0 takes two thirds of the time, and what is looked at is the same."""
    if VALGRIND or os.environ.get("SAN"):
        tap.skip("packages are built without")
    build = os.path.join(scratch(), "build")
    before = tree()
    output("make", "deb", f"B={build}", DEB_BUILD_OPTIONS="noautodbgsym", DEB_CFLAGS_APPEND="-O1 -g0")
    assert tree() == before, tree().items() ^ before.items()
    found = {}
    for path in (os.path.join(build, "deb", name) for name in os.listdir(os.path.join(build, "deb"))):
        if not path.endswith(".deb"):
            assert re.search(r"\.(changes|buildinfo)$", path), path
            continue
        fields = dict(re.findall(r"^([\w-]+): (.*)$", output("dpkg-deb", "-f", path), re.M))
        root = os.path.join(scratch(), fields["Package"])
        output("dpkg-deb", "-x", path, root)
        output("dpkg-deb", "-x", path, os.path.join(scratch(), "all"))
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", path], stdout=subprocess.PIPE) as archive:
            with tarfile.open(fileobj=archive.stdout, mode="r|") as listing:
                members = {member.name[1:] or "/": member for member in listing}
        found[fields["Package"]] = Package(path, root, fields, members)
    return found


def files(package):
    return {path for path, member in package.members.items() if not member.isdir()}


def unpacked(path):
    """A path of the folder that all of them are unpacked into."""
    packages()
    return os.path.join(scratch(), "all", path.lstrip("/"))


@functools.cache
def libdir():
    return "/usr/lib/" + output("dpkg-architecture", "-qDEB_HOST_MULTIARCH").strip()


def elf_files(package):
    """Programs and library of a package, by their paths in it."""
    return sorted(path for path in files(package) if re.search(r"/s?bin/|\.so$", path))


def test_make_deb_builds_each_package_in_the_version_of_the_programs():
    assert set(packages()) == PACKAGES
    version = re.search(r"^VERSION\s*:= (.*)$", read(os.path.join(SOURCE, "Makefile")), re.M)[1]
    for name, package in packages().items():
        assert package.fields["Version"] == version, (name, package.fields)
        for path in elf_files(package):
            if not path.endswith(".so"):
                said = output(unpacked(path), "--version")
                assert said == f"{os.path.basename(path)} {version}\n", said


def test_every_file_that_is_installed_is_in_one_package_and_no_other_file_is():
    packages()
    root = os.path.join(scratch(), "installed")
    # What was built is good enough for names and texts.
    output("make", "-o", "programs", "install", f"DESTDIR={root}", f"LIBDIR={libdir()}", *PATHS, B=harness.BUILD)
    walk = [(folder, name) for folder, _, names in os.walk(root) for name in names]
    installed = {"/" + os.path.relpath(os.path.join(*where), root) for where in walk}
    # The one file that two packages need is in both, by their names.
    installed.remove("/usr/lib/sysusers.d/hybridge.conf")
    users = {name: {f"/usr/lib/sysusers.d/{name}.conf"} for name in ("hybridge-agent", "hybridge-relay")}
    owners = collections.Counter()
    for name, package in packages().items():
        packed = {path for path in files(package) if not DEBIANS.match(path)} - users.get(name, set())
        packed = {path.removesuffix(".gz") if "/man/" in path else path for path in packed}
        assert packed <= installed, (name, packed - installed)
        owners.update(packed)
    assert set(owners.values()) == {1} and set(owners) == installed, installed ^ set(owners)
    for path in installed:
        if "/man/" in path or path.endswith((".service", ".env")):
            assert read(root + path) == read(unpacked(path)) and "/usr/local" not in read(root + path), path
    for name, paths in users.items():
        assert read(unpacked(*paths)) == read(os.path.join(SOURCE, "examples/systemd/hybridge.conf")), paths
        postinst = output("dpkg-deb", "-I", packages()[name].path, "postinst")
        assert re.search(rf"systemd-sysusers .*{name}\.conf", postinst), postinst


def test_modes_and_owners_are_those_of_a_system():
    for name, package in packages().items():
        for path, member in package.members.items():
            assert (member.uid, member.gid) == (0, 0), (name, path)
            assert os.path.exists(unpacked(path)), (name, path)
            if not member.issym():
                assert member.isdir() or member.isreg(), (name, path)
                is_program = "bin/" in path or path.endswith(".sh")
                mode = 0o755 if member.isdir() or is_program else 0o644
                assert stat.S_IMODE(member.mode) == mode, (name, path, oct(member.mode))
        assert ("/etc/hybridge" in package.members) == (name != "libhybridge"), name


def test_each_daemon_is_started_by_a_unit_of_its_own_package():
    for name, package in packages().items():
        started = set()
        for unit in (path for path in files(package) if path.startswith("/lib/systemd/system/")):
            started |= set(re.findall(r"^ExecStart=(\S+)", read(unpacked(unit)), re.M))
        assert started == {path for path in files(package) if "/sbin/" in path}, (name, started)


def test_each_package_depends_on_every_library_that_it_needs():
    for name, package in packages().items():
        depends = set(re.findall(r"[a-z0-9][a-z0-9.+-]+", re.sub(r"\(.*?\)", "", package.fields.get("Depends", ""))))
        for path in elf_files(package):
            dynamic = output("readelf", "-dW", package.root + path)
            needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
            assert bool(needed) != path.endswith(".so"), (path, needed)
            for library in needed:
                # "libc6:amd64: /lib/x86_64-linux-gnu/libc.so.6"
                owners = set(re.findall(r"^([^:]+):", output("dpkg-query", "-S", f"*/{library}"), re.M))
                assert owners & depends, (name, library, owners, depends)
    fields = packages()["hybridge"].fields
    assert f"libhybridge (= {fields['Version']})" in fields["Depends"], fields
    assert packages()["libhybridge"].fields["Multi-Arch"] == "same"


def test_programs_are_hardened_and_the_library_needs_nothing_of_one_libc():
    for package in packages().values():
        for path in elf_files(package):
            said = output("readelf", "-dlW", package.root + path)
            symbols = set(re.findall(r"UND (\w+)", output("readelf", "--dyn-syms", "-W", package.root + path)))
            assert "GNU_RELRO" in said and re.search(r"FLAGS.* NOW", said), path
            assert not re.search(r"GNU_STACK.*E ", said), path
            guards = {"__stack_chk_fail"} | {name for name in symbols if re.match(r"__\w+_chk$", name)}
            if path.endswith(".so"):
                assert not guards & symbols, (path, guards & symbols)
            else:
                assert "DYN" in output("readelf", "-hW", package.root + path) and "PIE" in said, path
                assert guards <= symbols and len(guards) > 2, (path, guards)


def test_an_unpacked_library_reaches_a_service_through_unpacked_programs():
    sbin, library = unpacked("/usr/sbin"), unpacked(f"{libdir()}/hybridge/libhybridge.so")
    build, shim, harness.BUILD, harness.SHIM = harness.BUILD, harness.SHIM, sbin, library
    try:
        with servers.echo() as target, World() as world:
            relay = world.relay(["db"])
            world.agent(relay, {"db": target.at})
            app = world.app(relay, {"db": "db.corp:5432"})
            clients.expect_echo(app, "db.corp", 5432)
            # The library has found the sender by itself, and so does the command find the library.
            (sender,) = world.started_senders()
            assert os.path.samefile(f"/proc/{sender}/exe", f"{sbin}/hybridge-sender")
            command = [unpacked("/usr/bin/hybridge"), "run", "-f", app.path, "--strict", "--"]
            client = world.start([*command, tool("connecting"), "blocking", "db.corp", "5432"])
            assert client.line("errno")["echo"] and client.wait() == 0, client.out
    finally:
        harness.BUILD, harness.SHIM = build, shim


def test_installing_starts_nothing_and_removing_leaves_nothing():
    packages()
    if os.getuid() != 0:
        tap.skip("only root can install packages")
    folder = tempfile.mkdtemp(dir=scratch())
    debs = os.path.dirname(packages()["hybridge"].path)
    done = run("unshare", "--mount", os.path.join(harness.HERE, "install_packages.sh"), folder, debs)
    if "possible" not in done.stdout:
        tap.skip(f"no system over this one here: {done.stderr[-100:]!r}")
    assert done.returncode == 0, done.stderr[-3000:]
    said = dict(re.findall(r"^(\w+): *(.*)$", done.stdout, re.M))
    assert said == {
        "installed": "",
        "folder": "root:root:755",
        "enabled": "",
        "user": "hybridge hybridge",
        "version": f"hybridge {packages()['hybridge'].fields['Version']}",
        "upgraded": "restart hybridge-agent.service restart hybridge-relay.service",
        "removed": "stop hybridge-agent.service stop hybridge-relay.service",
        "left": "",
    }, (said, done.stderr[-3000:])


def test_lintian_finds_nothing_that_is_not_overridden_with_a_reason():
    debs = [package.path for package in packages().values()]
    said = output("lintian", "--fail-on", "error,warning", *debs, HOME=scratch())
    assert not said, said
    for name in PACKAGES:
        lines = read(os.path.join(SOURCE, "debian", f"{name}.lintian-overrides")).splitlines()
        assert all(before.startswith("#") for before in lines[::2]) and len(lines) % 2 == 0, name


if __name__ == "__main__":
    main()
