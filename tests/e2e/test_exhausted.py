#!/usr/bin/env python3
"""A sender that has no descriptors left says no: nobody waits for what cannot come."""

import resource
import socket

from harness import PYTHON, World, main, until

LIMIT = 64
MANY = 60
HELD = 3  # descriptors of the sender for one that waits, at least

# Begins so many connects, and says each time that another one has failed, and how.
CONNECT = """
import errno, select, socket, sys
poll, sockets = select.poll(), {}
for _ in range(int(sys.argv[1])):
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex(("db.corp", 5432))
    sockets[one.fileno()] = one
    poll.register(one, select.POLLOUT)
while sockets:
    for fd, _ in poll.poll():
        poll.unregister(fd)
        error = sockets.pop(fd).getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        print(errno.errorcode[error], flush=True)
"""


def test_who_finds_no_descriptors_is_refused_though_others_wait_at_the_same_address():
    with socket.create_server(("127.0.0.1", 0)) as silent, World() as world:
        string = f"Endpoint=ws://127.0.0.1:{silent.getsockname()[1]}/;EntityPath=db"
        string += ";SharedAccessKeyName=send;SharedAccessKey=abc"
        app = world.app(None, {"db": "db.corp:5432"}, strings={"db": string}, HYBRIDGE_CONNECT_TIMEOUT="10m")
        sender = app.sender()
        resource.prlimit(sender.pid, resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
        program = app.start([PYTHON, "-c", CONNECT, str(MANY)])
        until(lambda: program.out.count("\n") >= MANY - LIMIT // HELD, "the refusals")
        # The second says that there was none to dial the relay with.
        assert set(program.out.split()) <= {"ECONNREFUSED", "ENETUNREACH"}, program.out
        assert "out of descriptors" in sender.err, sender.err


if __name__ == "__main__":
    main()
