#!/usr/bin/env python3
"""What a sender is told to add to its requests, from the program's connect() to the listener."""

import re

from peers import CLEAN_ENV, CONTROL, Peer, World, clients, listen_token, main, servers
from peers import target_of, until, url

# Here the keys decide, not the environment of the run.
CLEAN_ENV.pop("HYBRIDGE_HTTP2", None)

PATH, QUERY = "/orders/e%20u", "x=1&y&z=%2B"
EXTRAS = {
    "HYBRIDGE_DB_SUFFIX": f"{PATH}?{QUERY}",
    "HYBRIDGE_DB_HEADERS": "x-TENANT: 7|X-List: a, b;c",
}
SHARED_BY = 5  # streams: from then on they share a connection


def test_the_suffix_and_the_headers_reach_the_listener_over_http_1_and_2():
    with World() as world:
        relay = world.relay(["db"])
        peer = Peer(world)
        peer.open("l", url(relay, "db", CONTROL), listen_token(relay))
        app = world.app(relay, {"db": "db.corp:5432"}, **EXTRAS)
        app.sender()
        spellings = []
        while len(spellings) < SHARED_BY and "X-Tenant" not in spellings:
            count = len(spellings) + 1
            program = clients.start(app, "epoll", "db.corp", 5432)
            accept = peer.accept("l", nth=count)
            path, _, query = target_of(accept["address"]).partition("?")
            assert path == "/$hc/db" + PATH, accept
            assert query.startswith(QUERY + "&sb-hc-action=accept&sb-hc-id="), accept
            headers = accept["connectHeaders"]
            spelt = {name.lower(): name for name in headers}
            assert headers[spelt["x-tenant"]] == "7", headers
            assert headers[spelt["x-list"]] == "a, b;c", headers
            assert "servicebusauthorization" not in spelt, "a token went to the listener"
            # Over HTTP/2 all names are small, and the relay spells them as is usual.
            spellings.append(spelt["x-tenant"])
            peer.open(f"a{count}", accept["address"])
            peer.hear(f"a{count}", 1)
            program.kill()
        assert spellings[0] == "x-TENANT" and spellings[-1] == "X-Tenant", spellings


def test_a_header_can_choose_the_agent():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        agents = [world.agent(relay, {"db": target.at}) for _ in range(3)]
        guid = re.search(r"\bid=(\S+)", agents[1].wait_log("control channel up")).group(1)
        wanted = {"HYBRIDGE_DB_HEADERS": f"Microsoft-Relay-AllowedListeners: {guid}"}
        app = world.app(relay, {"db": "db.corp:5432"}, **wanted)
        app.sender()
        for _ in range(3):
            clients.expect_echo(app, "db.corp", 5432)
        until(lambda: agents[1].err.count("session closed") == 9, "the ends in the log")
        assert not any("session opened" in agents[i].err for i in (0, 2))


if __name__ == "__main__":
    main()
