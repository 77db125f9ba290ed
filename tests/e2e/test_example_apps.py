#!/usr/bin/env python3
"""examples/apps: every program there, started as its README says, through hybridge and without an agent.

What the README says of pm2 and supervisord is not tried here: that would be 27 MB more to install.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
from glob import glob

import harness
import private
from harness import BUILD, CLEAN_ENV, DEADLINE, SOURCE, World, main, until

APPS = os.path.join(SOURCE, "examples", "apps")
with open(os.path.join(APPS, "README.md"), encoding="utf-8") as _file:
    README = _file.read()
# Debian's interpreters, as it is Debian that has their drivers.
PATH = f"/usr/bin:/bin:{CLEAN_ENV['PATH']}"
PORT = 5432


def rows():
    """The README's tables, without their heads: lists of cells."""
    found = [line.strip("| ").split(" | ") for line in README.splitlines() if line.startswith("| ")]
    return [row for row in found if row[0] not in ("language", "starts it")]


def apps():
    """{file: (command to build it, command to start it, what it says when refused)}, as in the README."""
    found = {}
    for _, _, _, start, refused in [row for row in rows() if len(row) == 5]:
        start, *build = re.findall("`([^`]+)`", start)
        (file,) = re.findall(r"\b[Aa]pp\.\w+\b", " ".join([start, *build]))
        found[file] = (build[0] if build else "true", start, refused)
    return found


class Here:
    """What the tests share: a PostgreSQL with a database of its own, and the way to it."""

    def __init__(self, world):
        self.world = world
        # pg, for node: quick when it is there.
        setup = os.path.join(SOURCE, "tests", "npm", "setup")
        subprocess.run([setup], env={**os.environ, "B": BUILD}, cwd=SOURCE, check=True)
        host, port = at = private.postgres(world)
        self.database = f"orders_{os.getpid()}"
        create = ["psql", "-X", "-q", "-h", host, "-p", str(port), "-U", "shop", "-d", "postgres"]
        create += ["-c", f"create database {self.database}"]
        subprocess.run(create, env=CLEAN_ENV, check=True)
        relay = world.relay(["db"])
        self.agent = world.agent(relay, {"db": at})
        self.app = world.app(relay, {"db": f"db.corp:{PORT}"})
        self.folder = world.path("apps")
        shutil.copytree(APPS, self.folder)
        for build, _, _ in apps().values():
            subprocess.run(build, shell=True, cwd=self.folder, env=CLEAN_ENV, check=True)
        self.env = {
            "PATH": PATH,
            "NODE_PATH": os.path.join(BUILD, "npm", "node_modules"),
            # Twice as fast where little is to do.
            "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            "PGHOST": "db.corp",
            "PGPORT": str(PORT),
            "PGUSER": "shop",
            "PGDATABASE": "postgres",
        }
        self.listing = "".join(
            f"{name} UTF8\n" for name in (self.database, "postgres", "template0", "template1")
        )

    def preloaded(self, command, **more):
        return self.app.start(shlex.split(command), cwd=self.folder, **{**self.env, **more})

    def by_hybridge_run(self, command):
        argv = [os.path.join(BUILD, "hybridge"), "run", "-f", self.app.path, "--", *shlex.split(command)]
        return self.world.start(argv, cwd=self.folder, env={**CLEAN_ENV, **self.env})


def test_every_program_has_a_row_in_the_readme_and_is_tried_here():
    assert set(os.listdir(APPS)) - {"README.md"} == set(apps()), apps()
    assert len(apps()) >= 10


def test_no_program_knows_of_hybridge():
    for file in apps():
        with open(os.path.join(APPS, file), encoding="utf-8") as text:
            assert not re.search("hybridge|LD_PRELOAD|db.corp", text.read(), re.I), file


def test_each_program_lists_the_databases_when_the_library_is_preloaded():
    programs = {file: here.preloaded(start) for file, (_, start, _) in apps().items()}
    expect_listing(programs)


def test_hybridge_run_does_the_same():
    programs = {
        file: here.by_hybridge_run(start)
        for file, (_, start, _) in apps().items()
        if file != "App.java"  # takes seconds to start, and is tried below
    }
    expect_listing(programs)


def expect_listing(programs):
    for file, program in programs.items():
        status = program.wait(2 * DEADLINE)
        assert (status, program.out) == (0, here.listing), (file, status, program.out, program.err)


WEB = """
import subprocess
import psycopg2

def app(environ, start):
    with psycopg2.connect("").cursor() as cursor:
        cursor.execute("select datname from pg_database order by 1 limit 1")
        start("200 OK", [("Content-Type", "text/plain")])
        return [cursor.fetchone()[0].encode()]
"""


def test_gunicorns_workers_inherit_what_it_was_started_with():
    with open(os.path.join(here.folder, "web.py"), "w", encoding="ascii") as file:
        file.write(WEB)
    web = here.preloaded("gunicorn -w 2 -b 127.0.0.1:0 web:app")
    at = re.search(r"Listening at: (\S+)", web.wait_log("Listening at"))[1]
    done = subprocess.run(["curl", "-sS", at], capture_output=True, text=True, check=False)
    assert done.stdout == here.database, (done, web.err)


CLUSTER = """
const cluster = require('cluster');
if (cluster.isPrimary) {
    cluster.fork();
    cluster.fork();
} else {
    process.channel.unref();
    require('./app.js');
}
"""


def test_workers_of_nodes_cluster_inherit_what_it_was_started_with():
    with open(os.path.join(here.folder, "cluster.js"), "w", encoding="ascii") as file:
        file.write(CLUSTER)
    program = here.preloaded("node cluster.js")
    assert program.wait() == 0, program.err
    assert program.out.count(f"{here.database} UTF8\n") == 2, program.out + program.err


POOL = """
[global]
daemonize = no
error_log = /dev/stderr
[www]
listen = {socket}
pm = static
pm.max_children = 1
{more}
"""
# What a child of PHP has: its variables of PHP's, and whether it reaches the database.
CHILD = "<?php echo 'child: ', getenv('PGHOST'), ' ', shell_exec('psql -XAtc \"select 42\" 2>&1');"


class Pool:
    """A php-fpm with one pool; its pages by get()."""

    def __init__(self, name, *settings):
        self.socket = here.world.path(f"{name}.sock")
        if os.geteuid() == 0:
            settings += ("user = root", "group = root")
        path = here.world.path(f"{name}.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(POOL.format(socket=self.socket, more="\n".join(settings)))
        self.child = here.world.path("child.php")
        with open(self.child, "w", encoding="ascii") as file:
            file.write(CHILD)
        program = sorted(glob("/usr/sbin/php-fpm*"))[-1]
        root = "-R" if os.geteuid() == 0 else ""
        self.process = here.preloaded(f"{program} -n -F {root} -y {path} {extensions()}")
        until(lambda: "ready to handle" in self.process.err, "php-fpm")

    def get(self, script):
        env = {"PATH": PATH, "SCRIPT_FILENAME": script, "REQUEST_METHOD": "GET"}
        command = ["cgi-fcgi", "-bind", "-connect", self.socket]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        return done.stdout.partition("\n\n")[2] + done.stderr


def extensions():
    """Only these of PHP, so that no ini file of the machine has a say."""
    return "-d extension=pdo -d extension=pgsql -d extension=pdo_pgsql"


def test_php_fpms_pool_hands_on_its_environment_with_clear_env_no():
    pool = Pool("open", "clear_env = no")
    assert pool.get(os.path.join(here.folder, "app.php")) == here.listing
    assert pool.get(pool.child) == "child: db.corp 42\n"


def test_php_fpms_pool_connects_itself_with_clear_env_yes_but_its_children_do_not():
    variables = [f"env[{name}] = {value}" for name, value in here.env.items() if name.startswith("PG")]
    pool = Pool("cleared", "clear_env = yes", f"env[PATH] = {PATH}", *variables)
    assert pool.get(os.path.join(here.folder, "app.php")) == here.listing
    answer = pool.get(pool.child)
    assert "child: db.corp psql: error: could not translate host name" in answer, answer


def test_systemd_understands_what_the_readme_adds_to_a_unit():
    (drop_in,) = re.findall(r"(?:^    .*\n)+", README[README.index("A unit, or") :], re.M)[:1]
    text = re.sub("^    ", "", drop_in, flags=re.M) + "ExecStart=/usr/bin/python3 app.py\n"
    path = here.world.path("example.service")
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    verify = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", path]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "example" not in done.stderr, done.stderr
    assert "LD_PRELOAD=" in text and "HYBRIDGE_ENV=" in text, text


def test_each_program_fails_at_once_in_its_drivers_words_when_the_agent_is_stopped():
    assert here.agent.stop() == 0
    programs = {file: here.by_hybridge_run(start) for file, (_, start, _) in apps().items()}
    for file, program in programs.items():
        program.expected_status = 1
        status, refused = program.wait(2 * DEADLINE), apps()[file][2]
        assert (status, program.out) == (1, ""), (file, status, program.out, program.err)
        assert refused in program.err, (file, refused, program.err)


if __name__ == "__main__":
    with World() as world:
        here = Here(world)
        main()
