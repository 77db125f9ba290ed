"""What the three daemons do for streams that share connections, counted under callgrind.

One stream or message at a time, so that what is done together does not depend on the machine.
"""

import os
import subprocess

import guard_profile

# Its deadlines are for daemons that run as they are; these are slower.
os.environ.setdefault("SLOWNESS", "10")

import harness  # noqa: E402 - reads the line above

STREAMS, MESSAGES = 100, 500
# Whose code a machine has, and how many cores, must not change what is counted.
PLAIN = {"HYBRIDGE_FAST_CRYPTO": "off"}
HOST, PORT = "guard.test", "7000"
LOAD = os.path.join(harness.BUILD, "bench", "load")
SERVICE = os.path.join(harness.BUILD, "bench", "service")
NAMES = ("sender", "relay", "agent")


class Daemons:
    """.processes: name -> hybridge-NAME; a program's way leads through all of them."""

    def __init__(self, world):
        service = world.start([SERVICE])
        port = int(harness.until(lambda: service.out.strip(), "the service's port"))
        relay = world.relay(["guard"], HYBRIDGE_RELAY_WORKERS="1", **PLAIN)
        agent = world.agent(relay, {"guard": ("127.0.0.1", port)}, **PLAIN)
        self.app = world.app(relay, {"guard": f"{HOST}:{PORT}"}, **PLAIN)
        self.processes = dict(zip(NAMES, (self.app.sender(), relay, agent), strict=True))
        self.dumps = 0
        # The first streams make the connections that the others share.
        self.load("open", 10, 1, 60)

    def load(self, verb, *rest):
        process = self.app.run([LOAD, verb, HOST, PORT, *map(str, rest)], seconds=120)
        if process.status != 0:
            raise harness.Failure(f"load {verb}: {process.err}")

    def control(self, *options):
        for process in self.processes.values():
            argv = ["callgrind_control", *options, str(process.pid)]
            subprocess.run(argv, check=True, capture_output=True)

    def count(self, folder, verb, *rest):
        """Name -> what each did meanwhile."""
        self.control("--instr=on")
        self.load(verb, *rest)
        self.control("--instr=off")
        self.control("--dump")
        self.dumps += 1
        profile = os.path.join(folder, "daemon.{}.{}")
        return {
            name: guard_profile.count(profile.format(process.pid, self.dumps), f"hybridge-{name}")
            for name, process in self.processes.items()
        }


def measure(folder):
    """Yields (work, unit, number of units, instructions, calls)."""
    harness.WRAPPER = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no"]
    harness.WRAPPER += [f"--callgrind-out-file={folder}/daemon.%p", *guard_profile.OPTIONS]
    with harness.World() as world:
        daemons = Daemons(world)
        for work, unit, times, *argv in (
            ("stream", "stream", STREAMS, "open", STREAMS, 1, 60),
            ("shared ping", "message there and back", MESSAGES, "ping", 60, MESSAGES),
        ):
            for name, (instructions, calls) in daemons.count(folder, *argv).items():
                yield f"{work}, {name}", unit, times, instructions, calls
