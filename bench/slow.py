"""The row "slow": one stream over a long wire that loses packets, beside TCP over the same wire.

Program and sender are at the near end, relay, agent and service at the far one.
The wire is tests/e2e/slow_wire.c; its packets are lost by a seed, the same for all.  Its
congestion control is the machine's own, not the one that the other rows choose for loopback.
"""

import json
import os
import time

import harness
import slow_wire

ROUND_TRIP_MS = 50
LOSS = 0.01
MEGABYTES_PER_S = 20
QUEUE = MEGABYTES_PER_S * 1000 * ROUND_TRIP_MS  # what the wire holds, as is usual for a router
SECONDS = 3
ROUNDS = 2
# Where the first round trips lose a few packets too many, bbr leaves its start-up at a quarter of the
# rate, and needs two of the three seconds to get there: one in fifteen, whoever sends.  A median of
# two would be that chance, and, the losses being the seed's, the same in every run.
LOSSY_ROUNDS = 9
ENOUGH_S = 300  # after which no other round is begun
HOST, PORT = "bench.test", 7000
LOAD = os.path.join(harness.BUILD, "bench", "load")
SERVICE = os.path.join(harness.BUILD, "bench", "service")


class Slow:
    """.routes: name of a column and a row's prefix, host, port, environment."""

    def __init__(self, world, congestion):
        self.world = world
        self.wire = wire = slow_wire.Wire(world, congestion)
        wire.be(ROUND_TRIP_MS)
        service = world.start([SERVICE, "0.0.0.0"], inside=wire.far)
        port = int(harness.until(lambda: service.out.strip(), "the service's port"))
        relay = slow_wire.relay(world, wire, ["bench"])
        world.agent(relay, {"bench": ("127.0.0.1", port)}, inside=wire.far)
        self.routes = {
            ("raw", "slow"): (slow_wire.FAR, port, None),
            ("hybridge", "slow"): self.route(relay, "on"),
            ("hybridge", "slow_own"): self.route(relay, "off"),
        }

    def route(self, relay, http2):
        string = relay.connection("bench", "send", host=slow_wire.FAR)
        app = self.world.app(relay, {"bench": f"{HOST}:{PORT}"}, strings={"bench": string}, HYBRIDGE_HTTP2=http2)
        app.sender(inside=self.wire.near)
        # The first streams teach the sender what the relay can do.
        for _ in range(2):
            self.load((HOST, PORT, app.env()), "open", 4, 1, 10)
        return HOST, PORT, app.env()

    def load(self, route, verb, *rest):
        host, port, env = route
        argv = [LOAD, verb, host, str(port), *map(str, rest)]
        process = self.world.start(argv, env=env, inside=self.wire.near)
        if process.wait(120) != 0:
            raise harness.Failure(f"{' '.join(argv)}: {process.err}")
        return json.loads(process.out)

    def figures(self, number):
        """One round: (key, column, MB/s) of each measurement."""
        for loss, suffix in ((0, ""), (LOSS, "_lossy")) if number <= ROUNDS else ((LOSS, "_lossy"),):
            for way in ("up", "down"):
                for (column, prefix), route in self.routes.items():
                    self.wire.be(ROUND_TRIP_MS, loss, MEGABYTES_PER_S, QUEUE, seed=number)
                    result = self.load(route, "bulk", way, SECONDS, 1)
                    yield f"{prefix}{suffix}_{way}", column, result["bytes"] / 1e6 / result["seconds"]


def measure(world, congestion, say, results):
    """Adds to results; says why when this machine or user has no such wire."""
    try:
        slow = Slow(world, congestion)
    except slow_wire.Cannot as reason:
        say(f"bench: slow is left out: {reason}")
        return
    begun = time.monotonic()
    for number in range(1, LOSSY_ROUNDS + 1):
        if time.monotonic() - begun > ENOUGH_S:
            break
        say(f"round {number}: slow")
        for key, column, value in slow.figures(number):
            # Both of ours are held against the same TCP.
            keys = [key, key.replace("slow", "slow_own")] if column == "raw" else [key]
            for one in keys:
                results.setdefault(one, {}).setdefault(column, []).append(value)
