"""Real servers for the private side, from Debian, run by an ordinary user."""

import os
import pwd
import shutil
import signal
import subprocess
from glob import glob

import servers
from harness import CLEAN_ENV, DEADLINE, until


def ordinary_user():
    """Name of a user for servers that refuse to run as root; None when we are one."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def as_user(user, argv):
    """The command that runs argv as that user, in the same process."""
    if user is None:
        return argv
    group = pwd.getpwnam(user).pw_gid
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *argv]


def folder_for(world, name, user):
    """A new folder that belongs to the user."""
    path = world.path(name)
    os.mkdir(path, 0o700)
    if user is not None:
        os.chmod(world.folder, 0o711)
        shutil.chown(path, user)
    return path


def postgres(world):
    """Starts PostgreSQL with user "shop", no password; returns its address."""
    user = ordinary_user()
    data = folder_for(world, "postgres", user)
    binaries = sorted(glob("/usr/lib/postgresql/*/bin"))[-1]
    port = servers.free_port()
    initdb = [f"{binaries}/initdb", "-D", data, "-U", "shop", "--auth=trust", "--no-sync"]
    command = as_user(user, initdb)
    subprocess.run(command, env=CLEAN_ENV, cwd="/", check=True, capture_output=True)
    settings = {
        "listen_addresses": servers.LOOPBACK,
        "port": port,
        "unix_socket_directories": "",
        "fsync": "off",
        "max_connections": 250,
        "shared_buffers": "16MB",
    }
    options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    server = world.start(as_user(user, [f"{binaries}/postgres", "-D", data, *options]), cwd="/")
    server.stop_signal = signal.SIGINT  # "fast": does not wait for clients
    server.wait_log("ready to accept connections")
    return (servers.LOOPBACK, port)


NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ {location} }}
    }}
}}
"""


def nginx(world, name, location, start=None):
    """Starts nginx with what stands in its "location /"; returns its address."""
    folder = world.path(name)
    os.mkdir(folder, 0o700)
    port = servers.free_port()
    config = os.path.join(folder, "nginx.conf")
    with open(config, "w", encoding="ascii") as file:
        file.write(NGINX.format(folder=folder, port=port, location=location))
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    (start or world.start)([program, "-p", folder, "-e", "stderr", "-c", config])
    until(lambda: answers(port), f"nginx on port {port}", DEADLINE)
    return (servers.LOOPBACK, port)


def answers(port):
    with servers.socket.socket() as probe:
        return probe.connect_ex((servers.LOOPBACK, port)) == 0
