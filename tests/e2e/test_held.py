#!/usr/bin/env python3
"""Programs that give up waiting, and kernels that cannot make them wait."""

import json
import os
import re
import resource
import subprocess

import clients
import servers
import tap
from harness import BUILD, DEADLINE, PYTHON, SLOWNESS, World, main, until

MANY = 1000 if SLOWNESS == 1 else 100
WARM = 8  # connections to the relay that a sender and an agent keep open
NOHOLD = os.path.join(BUILD, "tests", "shim", "nohold")
ENOPROTOOPT = 92

# Begins so many connects, a hundred at a time, waits 50 ms at most, and closes them.
GIVE_UP = """
import select, socket, sys
ip = socket.gethostbyname("db.corp")
for _ in range(int(sys.argv[1]) // 100):
    poll, socks = select.poll(), []
    for _ in range(100):
        s = socket.socket()
        s.setblocking(False)
        assert s.connect_ex((ip, 5432)) == 115
        poll.register(s, select.POLLOUT)
        socks.append(s)
    poll.poll(50)
    for s in socks:
        s.close()
"""


# Connects and reads: prints what came, or the error.
READ = """
import errno, socket
try:
    s = socket.create_connection(("db.corp", 5432))
    print("connected", s.recv(10))
except OSError as e:
    print(errno.errorcode[e.errno])
"""


def status(app):
    """What `hybridge status --json` says."""
    shown = subprocess.run(
        [os.path.join(BUILD, "hybridge"), "status", "--json", "-f", app.path],
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(shown.stdout)


def resident_kib(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])


def give_up(app, target, seconds):
    """A thousand abandoned connects, all of them still under way when the target answers."""
    before = target.accepted
    program = app.run([PYTHON, "-c", GIVE_UP, str(MANY)])
    assert program.status == 0, program.err
    until(lambda: status(app)["sender"]["waiting"] == MANY, "all of them at the sender")
    target.answer()

    def over():
        now = status(app)
        (db,) = now["connections"]
        return now["sender"]["waiting"] == 0 and db["open"] == 0 and now

    now = until(over, "the end of what was abandoned", seconds)
    assert target.accepted - before <= MANY
    return now


def test_a_thousand_abandoned_connects_leave_nothing_in_sender_relay_and_agent():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4 * MANY:
        tap.skip(f"the limit of {hard} descriptors is too low")
    with servers.silent() as target, World() as world:
        relay = world.relay(["db"])
        agent = world.agent(relay, {"db": target.at})
        app = world.app(relay, {"db": "db.corp:5432"}, HYBRIDGE_CONNECT_TIMEOUT="60s")
        daemons = (app.sender(), relay, agent)
        before = [one.descriptors() for one in daemons]
        give_up(app, target, 3 * DEADLINE)

        def back():
            now = [one.descriptors() for one in daemons]
            return all(n <= old + WARM for n, old in zip(now, before))

        until(back, f"the descriptors of sender, relay, agent back to {before}")
        # What the first thousand made grow is there for the next.
        sizes = [resident_kib(one) for one in daemons]
        program = app.run([PYTHON, "-c", GIVE_UP, str(MANY)])
        assert program.status == 0, program.err
        until(lambda: status(app)["sender"]["waiting"] == 0, "the end of the others", 3 * DEADLINE)
        until(back, f"the descriptors of sender, relay, agent back to {before}")
        grown = [resident_kib(one) - size for one, size in zip(daemons, sizes)]
        # A sanitizer keeps what was freed for a while.
        assert max(grown) < 2048 or SLOWNESS > 1, f"sender, relay, agent have grown by {grown} KiB"
        clients.expect_echo(app, "db.corp", 5432)


def test_where_the_kernel_cannot_hold_programs_connect_early_and_status_tells():
    for error in (ENOPROTOOPT, 0):
        with servers.echo() as target, World() as world:
            relay = world.relay(["db"])
            agent = world.agent(relay, {"db": target.at})
            app = world.app(relay, {"db": "db.corp:5432"})
            app.sender()
            debug = world.path("debug.log")

            def outcome(kind):
                command = [NOHOLD, str(error), *clients.COMMANDS[kind]("db.corp", 5432)]
                return app.start(command, HYBRIDGE_DEBUG=debug).line("errno")

            if app.run([NOHOLD, "0", "/bin/true"]).status == 77:
                tap.skip("no seccomp filters here")
            seen = {kind: outcome(kind) for kind in clients.COMMANDS}
            for kind, one in seen.items():
                assert one["echo"] and one["peer"].endswith(":5432"), (kind, one)
            with open(debug, encoding="ascii") as file:
                assert "this kernel does not hold a connect(): connecting early" in file.read()
            assert status(app)["sender"]["early"] == len(seen), status(app)
            shown = subprocess.run(
                [os.path.join(BUILD, "hybridge"), "status", "-f", app.path],
                capture_output=True,
                text=True,
                check=False,
            ).stdout
            assert f"{len(seen)} connects could not be held" in shown, shown
            # What is refused then is connected first, and reset: never an orderly end.
            assert agent.stop() == 0
            got = app.run([NOHOLD, str(error), PYTHON, "-c", READ])
            assert got.out.split()[-1] in ("ECONNRESET", "ECONNREFUSED"), got.out + got.err
            assert "b''" not in got.out, got.out


if __name__ == "__main__":
    main()
