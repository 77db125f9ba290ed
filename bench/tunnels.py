"""The tunnels that are measured: ours, the bare loopback, the least that one could cost, and peers from Debian.

Each is a class with .name, .host and .port, where a program finds the service;
.command(argv), which makes a program's command go that way; .env for it; and
.pids(), all its living processes.  All but the loopback have two legs with TLS
(or what ssh has in its place), certificates verified: what a program sends is
encrypted, decrypted in the middle, encrypted and decrypted again, as it is with a relay.
"""

import os
import resource
import shutil
import socket

import harness

BUILD = harness.BUILD
LOOPBACK = "127.0.0.1"


def free_port():
    """A port that nobody listens on now: the peers cannot be told to choose."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, 0))
        return listener.getsockname()[1]


def listens(port):
    """Whether somebody listens there; no connection is made, which a tunnel would pass on."""
    needle = f":{port:04X} "
    with open("/proc/self/net/tcp", encoding="ascii") as table:
        return any(needle in line[:20] + " " and line.split()[3] == "0A" for line in table)


def descendants(pids):
    """These processes and all that came of them."""
    parents = {}
    for name in os.listdir("/proc"):
        stat = harness.read_proc(int(name), "stat") if name.isdigit() else b""
        if stat:
            parents[int(name)] = int(stat.rpartition(b")")[2].split()[1])
    found = set(pids)
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return sorted(found & set(parents))
        found |= more


class Tunnel:
    """What they have in common."""

    needs = ()  # programs, without which it cannot be measured
    env = None

    def __init__(self, world, service_port):
        self.world = world
        self.service_port = service_port
        self.host, self.port = LOOPBACK, None
        self.processes = []

    @classmethod
    def missing(cls):
        path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
        return [name for name in cls.needs if not shutil.which(name, path=path)]

    def program(self, name):
        return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")

    def complaints(self):
        """What its processes have last said that is not usual."""
        return "\n".join(line for process in self.processes for line in process.err.splitlines()[-3:])

    def pids(self):
        return descendants([process.pid for process in self.processes])

    def add(self, argv, ports=()):
        """Starts one of its processes, and waits until these ports are listened on."""
        process = self.world.start(argv)
        self.processes.append(process)
        for port in ports:
            harness.until(lambda: listens(port) or not process.alive(), f"{argv[0]} on port {port}")
        if not process.alive():
            raise harness.Failure(f"{argv[0]}:\n{process.out}{process.err}")

    def file(self, name, text):
        path = self.world.path(f"{self.name}-{name}")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o600)
        return path


class Raw(Tunnel):
    """No tunnel at all: the same client and service over the bare loopback."""

    name = "raw"

    def start(self):
        self.port = self.service_port


class Hybridge(Tunnel):
    """Program under the preload, sender, relay, agent."""

    name = "hybridge"

    def start(self):
        self.host, self.port = "bench.test", 7000
        # Its default, 5,000, is what the row "many" holds open.
        relay = self.world.relay(["bench"], HYBRIDGE_RELAY_MAX_STREAMS="100000")
        agent = self.world.agent(relay, {"bench": (LOOPBACK, self.service_port)})
        app = self.world.app(relay, {"bench": f"{self.host}:{self.port}"})
        self.env = app.env()
        self.processes = [relay, agent, app.sender()]

    def complaints(self):
        lines = [line for process in self.processes for line in process.err.splitlines()]
        return "\n".join([line for line in lines if "level=info" not in line][-10:])


class Floor(Tunnel):
    """What three processes cost at the least: floor.c."""

    name = "floor"
    PROGRAM = [os.path.join(BUILD, "bench", "floor")]

    def start(self):
        middle = self.say_port("middle")
        self.add([*self.PROGRAM, "far", middle, str(self.service_port)])
        self.port = int(self.say_port("near", middle))

    def say_port(self, *argv):
        self.add([*self.PROGRAM, *argv])
        return harness.until(lambda: self.processes[-1].out.strip(), f"the port of {argv[0]}")


class FloorTls(Floor):
    """The same where OpenSSL makes the records."""

    name = "floor-tls"
    PROGRAM = [*Floor.PROGRAM, "tls"]


class Haproxy(Tunnel):
    """Three processes: plain to TLS, TLS to TLS, TLS to plain."""

    name = "haproxy"
    needs = ("haproxy",)

    def start(self):
        authority = self.world.authority
        pair = ""
        for path in authority.leaf:
            with open(path, encoding="ascii") as file:
                pair += file.read()
        server = f"ssl crt {self.file('pair.pem', pair)}"
        client = f"ssl verify required ca-file {authority.path} verifyhost localhost sni str(localhost)"
        ports = [free_port() for _ in range(3)]
        self.leg("far", ports[2], server, self.service_port, "")
        self.leg("middle", ports[1], server, ports[2], client)
        self.leg("near", ports[0], "", ports[1], client)
        self.port = ports[0]

    def leg(self, name, port, bind, to, server):
        # It takes two descriptors a stream, refuses to start with less, and needs some for itself.
        most = (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200) // 2
        text = f"""
global
    maxconn {most}
defaults
    mode tcp
    timeout connect 30s
    timeout client 1h
    timeout server 1h
    maxconn {most}
frontend in
    bind {LOOPBACK}:{port} backlog 65535 {bind}
    default_backend out
backend out
    server one {LOOPBACK}:{to} {server}
"""
        self.add([self.program("haproxy"), "-db", "-q", "-f", self.file(name, text)], [port])


class Nginx(Tunnel):
    """nginx's stream module, in three processes and their workers."""

    name = "nginx"
    needs = ("nginx",)
    MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"

    @classmethod
    def missing(cls):
        return super().missing() or [path for path in [cls.MODULE] if not os.path.exists(path)]

    def start(self):
        authority = self.world.authority
        cert, key = authority.leaf
        server = f"ssl_certificate {cert}; ssl_certificate_key {key}; ssl_session_cache shared:a:4m;"
        client = f"""proxy_ssl on; proxy_ssl_verify on; proxy_ssl_trusted_certificate {authority.path};
            proxy_ssl_name localhost; proxy_ssl_server_name on; proxy_ssl_protocols TLSv1.2 TLSv1.3;"""
        ports = [free_port() for _ in range(3)]
        self.leg("far", ports[2], "ssl", server, self.service_port)
        self.leg("middle", ports[1], "ssl", server + client, ports[2])
        self.leg("near", ports[0], "", client, ports[1])
        self.port = ports[0]

    def leg(self, name, port, flag, more, to):
        user = "user root;" if os.geteuid() == 0 else ""
        text = f"""
daemon off; pid {self.world.path(self.name + name)}.pid; error_log stderr; {user}
worker_processes auto; load_module {self.MODULE};
events {{ worker_connections 32000; }}
stream {{
    proxy_timeout 1h; tcp_nodelay on; proxy_half_close on;
    server {{
        listen {LOOPBACK}:{port} {flag} backlog=65535;
        proxy_pass {LOOPBACK}:{to};
        {more}
    }}
}}
"""
        self.add([self.program("nginx"), "-e", "stderr", "-c", self.file(name, text)], [port])


class Stunnel(Tunnel):
    """Client, then server and client in one, then server: stunnel has no TLS to TLS."""

    name = "stunnel"
    needs = ("stunnel4",)

    def start(self):
        authority = self.world.authority
        cert, key = authority.leaf
        server = f"cert = {cert}\nkey = {key}\n"
        client = f"client = yes\nCAfile = {authority.path}\nverifyChain = yes\ncheckHost = localhost\n"
        near, middle, inside, far = (free_port() for _ in range(4))
        self.process("far", [("far", server, far, self.service_port)])
        self.process("middle", [("a", server, middle, inside), ("b", client, inside, far)])
        self.process("near", [("near", client, near, middle)])
        self.port = near

    def process(self, name, services):
        text = "foreground = yes\npid =\ndebug = err\nsocket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n"
        for title, more, accept, connect in services:
            text += f"[{title}]\naccept = {LOOPBACK}:{accept}\nconnect = {LOOPBACK}:{connect}\n{more}"
        self.add([self.program("stunnel4"), self.file(name, text)], [accept for _, _, accept, _ in services])


class Ssh(Tunnel):
    """ssh -L into a second ssh -L: two pairs of client and server."""

    name = "ssh"
    needs = ("ssh", "ssh-keygen", "sshd")

    def start(self):
        self.folder = self.world.path("ssh")
        os.mkdir(self.folder, 0o700)
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        for name in ("host", "user"):
            argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{self.folder}/{name}"]
            if self.world.start(argv).wait() != 0:
                raise harness.Failure("ssh-keygen failed")
        with open(f"{self.folder}/host.pub", encoding="ascii") as file:
            self.host_key = file.read()
        far, near = free_port(), free_port()
        self.leg("far", far, self.service_port)
        self.leg("near", near, far)
        self.port = near

    def leg(self, name, port, to):
        sshd = free_port()
        settings = f"""
ListenAddress {LOOPBACK}:{sshd}
HostKey {self.folder}/host
AuthorizedKeysFile {self.folder}/user.pub
StrictModes no
UsePAM no
PidFile none
PermitRootLogin yes
AllowTcpForwarding yes
"""
        self.add([self.program("sshd"), "-D", "-e", "-f", self.file(name, settings)], [sshd])
        known = self.file(f"{name}-known", f"[{LOOPBACK}]:{sshd} {self.host_key}")
        options = {
            "UserKnownHostsFile": known,
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
            "ExitOnForwardFailure": "yes",
            # The fastest that Debian's ssh has where the CPU knows AES.
            "Ciphers": "aes128-gcm@openssh.com",
        }
        argv = ["ssh", "-N", "-F", "none", "-p", str(sshd), "-i", f"{self.folder}/user"]
        argv += [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        forward = f"{LOOPBACK}:{port}:{LOOPBACK}:{to}"
        self.add([*argv, "-L", forward, LOOPBACK], [port])


ALL = {kind.name: kind for kind in (Raw, Floor, FloorTls, Hybridge, Haproxy, Nginx, Ssh, Stunnel)}
