"""A sender that does what a test tells it to: no relay, no network.

    with FakeSender(path) as sender:
        ... a program connects ...
        request = sender.next()     # its CONNECT
        request.refuse(errno.ETIMEDOUT)
        # or
        far = request.complete()    # a socket: the program's other end

The layout of the messages is that of include/hybridge/local.h.
"""

import ipaddress
import os
import queue
import socket
import struct
import threading
import time

MAGIC = 0x68796231
VERDICT = 0x48590000
CONNECT, NAME, PEER, STATUS, REFUSED, UNKNOWN = range(1, 7)
EARLY = 1
FIXED = struct.Struct("=IBBHHHiB16sxH")

PATIENCE_S = 20  # for what comes in a moment; a busy machine may stand still

TCP_USER_TIMEOUT = 18
TCP_SYN_SENT = 2


def pack(kind, host=b"", port=0, addr=None, detail=0, flags=0):
    """A message as it goes over the socket."""
    family, raw = 0, bytes(16)
    if addr is not None:
        ip = ipaddress.ip_address(addr)
        family, raw = ip.version, ip.packed.ljust(16, b"\0")
    return (
        FIXED.pack(
            MAGIC, kind, flags, port, len(host), 0, detail, family, raw, 0
        )
        + host
    )


class Message:
    """What a shim sent."""

    def __init__(self, data, fds, connection):
        (
            magic,
            self.kind,
            self.flags,
            self.port,
            host_len,
            self.addr_port,
            self.detail,
            family,
            raw,
            file_len,
        ) = FIXED.unpack_from(data)
        assert magic == MAGIC, hex(magic)
        self.host = data[FIXED.size : FIXED.size + host_len].decode()
        self.file = data[FIXED.size + host_len :].decode()
        assert (len(self.host), len(self.file)) == (host_len, file_len)
        self.addr = None
        if family:
            raw = raw[: 4 if family == 4 else 16]
            self.addr = str(ipaddress.ip_address(raw))
        self.connection = connection
        self.sockets = [socket.socket(fileno=fd) for fd in fds]
        self.early = bool(self.flags & EARLY)

    @property
    def app(self):
        """A: the program's socket."""
        return self.sockets[0]

    @property
    def peer(self):
        """B, bound to the hold's address."""
        assert not self.early
        return self.sockets[1]

    @property
    def listener(self):
        """L."""
        return self.sockets[-1]

    def wait_for_connect(self, timeout=PATIENCE_S):
        """Waits until the program's connect() has begun."""
        end = time.monotonic() + timeout
        while tcp_state(self.app) != TCP_SYN_SENT:
            assert time.monotonic() < end, "the program does not connect"
            time.sleep(0.0005)

    def wait_until_held(self, pid, timeout=PATIENCE_S):
        """Waits until the program sleeps in its connect(), which nothing has ended."""
        end = time.monotonic() + timeout
        self.wait_for_connect(timeout)
        while not is_asleep(pid):
            assert time.monotonic() < end, "the program does not wait"
            time.sleep(0.0005)
        assert tcp_state(self.app) == TCP_SYN_SENT, "its connect() has ended"

    def complete(self):
        """Lets the program's connect() succeed; returns its other end."""
        if self.early:
            far, _ = self.listener.accept()
            self.close()
            return far
        self.wait_for_connect()
        host, port = self.app.getsockname()[:2]
        far = self.sockets.pop(1)
        if far.family == socket.AF_INET:
            host = host.removeprefix("::ffff:")
        far.settimeout(PATIENCE_S)
        far.connect((host, port))
        self.close()
        return far

    def refuse(self, error):
        """Lets the program's connect() fail with this errno."""
        self.wait_for_connect()
        self.app.setsockopt(
            socket.IPPROTO_TCP, TCP_USER_TIMEOUT, VERDICT | error
        )
        self.app.shutdown(socket.SHUT_RDWR)
        self.close()

    def close(self):
        """Closes what is left of its sockets."""
        for sock in self.sockets:
            sock.close()
        self.sockets = []


def is_asleep(pid):
    """Whether it sleeps in a system call (proc_pid_stat(5))."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0] == "S"


def tcp_state(sock):
    """The socket's TCP state, as in TCP_INFO."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


class FakeSender:
    """Listens like a sender; see the module's text.

    handler, if given, is called with every CONNECT in a thread of its own;
    otherwise next() returns them.  Every other message is kept in others, and
    a PEER is answered with what answers says of (address, port) or address.
    """

    def __init__(self, path, handler=None, listener=None):
        self.path = path
        self.handler = handler
        self.answers = {}
        self.others = []
        self.connects = queue.Queue()
        self.listener = listener
        self.arrived = threading.Condition()

    def __enter__(self):
        if self.listener is None:
            self.listener = socket.socket(
                socket.AF_UNIX, socket.SOCK_SEQPACKET
            )
            self.listener.bind(self.path)
            os.chmod(self.path, 0o600)
            self.listener.listen(4096)
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_exc):
        # Wakes the thread that sits in accept(), which close() would not.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        if os.path.exists(self.path):
            os.unlink(self.path)

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self._take(connection)

    def _take(self, connection):
        data, fds, _, _ = socket.recv_fds(connection, 8192, 3)
        if not data:
            return
        message = Message(data, fds, connection)
        if message.kind == CONNECT:
            if self.handler:
                threading.Thread(
                    target=self.handler, args=(message,), daemon=True
                ).start()
            else:
                self.connects.put(message)
            return
        if message.kind == PEER:
            asked = self.answers.get((message.addr, message.addr_port))
            asked = asked or self.answers.get(message.addr) or ("", 0)
            connection.send(pack(PEER, asked[0].encode(), asked[1], "0.0.0.0"))
        with self.arrived:
            self.others.append(message)
            self.arrived.notify_all()

    def next(self, timeout=PATIENCE_S):
        """The next CONNECT."""
        return self.connects.get(timeout=timeout)

    def await_other(self, kind, count=1, timeout=PATIENCE_S):
        """Waits for so many messages of this kind; returns them."""

        def found():
            return [m for m in self.others if m.kind == kind]

        with self.arrived:
            enough = self.arrived.wait_for(lambda: len(found()) >= count, timeout)
            assert enough, f"{len(found())} of {count} messages"
            return found()

    def next_other(self, kind, timeout=PATIENCE_S):
        """The first message of this kind, waiting for it."""
        return self.await_other(kind, timeout=timeout)[0]
