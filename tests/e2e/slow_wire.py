"""Two network namespaces with a long wire between them, on which packets are lost.

    with harness.World() as world:
        wire = slow_wire.Wire(world)
        wire.be(round_trip_ms=50, loss=0.01)
        world.start(argv, inside=wire.far)  # reached from wire.near at slow_wire.FAR

Only root can have one; Wire raises Cannot, with the reason, for others.  What the wire is:
tests/e2e/slow_wire.c.
"""

import subprocess

from harness import Failure, tool, until

NEAR, FAR = "192.0.2.1", "192.0.2.2"
CANNOT = 77


class Cannot(Exception):
    """This machine, or this user, has no such wire."""


class Wire:
    """.near and .far are namespaces, as World.start(inside=) takes them."""

    def __init__(self, world, congestion=None):
        argv = [tool("slow_wire")] + ([congestion] if congestion else [])
        self.process = world.start(argv, stdin=subprocess.PIPE)
        until(lambda: self.process.lines or not self.process.alive(), "the wire")
        if self.process.popen.poll() == CANNOT:
            raise Cannot(self.process.err.strip())
        paths = self.process.line("near")
        self.near, self.far = paths["near"], paths["far"]
        self.answers = 0

    def be(self, round_trip_ms=0, loss=0.0, megabytes_per_s=0.0, queue=0, seed=1):
        """What it is from now on; returns what it did before, in packets.

        loss is the part of the packets, each way; queue the bytes that wait before the narrow place.
        """
        settings = (round(round_trip_ms * 500), megabytes_per_s * 1e6, queue, round(loss * 1e6), seed)
        self.process.popen.stdin.write((" ".join(map(str, settings)) + "\n").encode())
        self.process.popen.stdin.flush()
        self.answers += 1
        until(lambda: len(self.process.lines) > self.answers or not self.process.alive(), "the wire's answer")
        if not self.process.alive():
            raise Failure(f"the wire is gone: {self.process.err}")
        return self.process.lines[-1]


def relay(world, wire, entities):
    """A relay at the far end: an agent there reaches it as localhost, a sender here as FAR."""
    return world.relay(
        entities,
        certificate=world.authority.make("far", f"DNS:localhost,IP:{FAR}"),
        listen="0.0.0.0:0",
        inside=wire.far,
        HYBRIDGE_RELAY_HOSTS=f"localhost {FAR}",
    )
