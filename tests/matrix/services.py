"""The private services that the clients are tried on, real ones from Debian."""

import getpass
import os
import pwd
import shutil
import subprocess

import private
import servers
from harness import CLEAN_ENV, until

PAGE = "this page is private"

# What programs ask for: the port by which each service is known.
PORTS = {"echo": 7, "ssh": 22, "web": 80, "mariadb": 3306, "postgres": 5432, "redis": 6379}


class Service:
    """Where a service listens, and the words that a client's command may use for it."""

    def __init__(self, at, unusable=None, **words):
        self.at = at
        self.unusable = unusable  # why nobody can use it on this machine
        self.words = words


def echo(world):
    """Sends back what it gets, until the end of file."""
    return Service(world.background(servers.echo()).at)


def web(world):
    """nginx with one page."""
    files = world.path("www")
    os.mkdir(files, 0o755)
    with open(os.path.join(files, "index.html"), "w", encoding="ascii") as file:
        file.write(PAGE + "\n")
    return Service(private.nginx(world, "nginx", f"root {files};"))


def postgres(world):
    """PostgreSQL with the user "shop", who needs no password."""
    return Service(private.postgres(world))


def redis(world):
    """Redis, empty."""
    user = private.ordinary_user()
    folder = private.folder_for(world, "redis", user)
    port = servers.free_port()
    options = ["--port", str(port), "--bind", servers.LOOPBACK, "--save", "", "--dir", folder]
    server = world.start(private.as_user(user, ["redis-server", *options]), cwd="/")
    until(lambda: "Ready to accept connections" in server.out, "redis")
    return Service((servers.LOOPBACK, port))


def mariadb(world):
    """MariaDB, which lets everybody in."""
    user = private.ordinary_user()
    folder = private.folder_for(world, "mariadb", user)
    data = os.path.join(folder, "data")
    port = servers.free_port()
    install = ["mariadb-install-db", "--no-defaults", "--skip-test-db", f"--datadir={data}"]
    install += ["--auth-root-authentication-method=normal"]
    command = private.as_user(user, install)
    subprocess.run(command, env=CLEAN_ENV, cwd="/", check=True, capture_output=True)
    options = [
        "--no-defaults",
        f"--datadir={data}",
        f"--socket={folder}/socket",
        f"--pid-file={folder}/pid",
        f"--bind-address={servers.LOOPBACK}",
        f"--port={port}",
        "--skip-grant-tables",
        "--innodb-buffer-pool-size=8M",
        "--innodb-flush-method=nosync",
        "--max-connections=250",
    ]
    program = shutil.which("mariadbd", path="/usr/sbin:/usr/bin")
    server = world.start(private.as_user(user, [program, *options]), cwd="/")
    server.wait_log("ready for connections")
    return Service((servers.LOOPBACK, port))


SSHD = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PrintMotd no
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 250
"""


def ssh(world):
    """OpenSSH's server; its {login} may enter with the key {key}."""
    user = private.ordinary_user()
    folder = private.folder_for(world, "ssh", user)
    port = servers.free_port()
    for name in ("host", "user"):
        path = os.path.join(folder, name)
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path]
        command = private.as_user(user, keygen)
        subprocess.run(command, env=CLEAN_ENV, cwd="/", check=True, capture_output=True)
    config = world.path("sshd_config")
    with open(config, "w", encoding="ascii") as file:
        file.write(SSHD.format(port=port, folder=folder))
    os.chmod(config, 0o644)
    key = shutil.copy(os.path.join(folder, "user"), world.path("ssh_key"))  # owned by us
    os.chmod(key, 0o600)
    program = ["/usr/sbin/sshd", "-D", "-e", "-f", config]
    server = world.start(private.as_user(user, program), cwd="/")
    server.wait_log("Server listening")
    login = user or getpass.getuser()
    locked = os.path.basename(pwd.getpwnam(login).pw_shell) in ("nologin", "false")
    unusable = f"the user {login} may not log in" if locked else None
    return Service((servers.LOOPBACK, port), unusable, login=login, key=key)


def start(world, names):
    """Starts the named services; returns {name: Service}."""
    return {name: globals()[name](world) for name in names}
