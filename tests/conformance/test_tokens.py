#!/usr/bin/env python3
"""Which token lets whom do what, and where a request may carry it."""

import contextlib
import json
import os
import time

from peers import CONTROL, SOURCE, Peer, RelayWith, World, encode, listen_token, main, new_key
from peers import sas, send_token, upgrade, url

with open(os.path.join(SOURCE, "tests", "data", "sas_vectors.json"), encoding="utf-8") as _file:
    VECTORS = json.load(_file)


@contextlib.contextmanager
def world_with_relay(**settings):
    with World() as world:
        yield world, RelayWith(world, ["db"], **settings), Peer(world)


def vector_relay(world):
    """A relay that is contoso, with the rule and the entity of the vectors."""
    simple = VECTORS["positive"][0]
    files = {
        "hyco": rule("hyco", "k1", VECTORS["k1_key"]),
        "simple": rule(simple["path"], simple["key_name"], simple["key"]),
    }
    return RelayWith(world, [], files, HYBRIDGE_RELAY_HOSTS=f"localhost {simple['host']}")


def rule(entity, name, key):
    return {
        "HYBRIDGE_RELAY_ENTITY": entity,
        "HYBRIDGE_RULE_X_NAME": name,
        "HYBRIDGE_RULE_X_RIGHTS": "listen send",
        "HYBRIDGE_RULE_X_KEY": key,
    }


def test_every_token_that_must_be_accepted_is():
    with World() as world:
        relay = vector_relay(world)
        simple = VECTORS["positive"][0]
        cases = [("hyco", case["id"], case["token"]) for case in VECTORS["accept_cases"]]
        for maker, made in simple["tokens"].items():
            cases.append((simple["path"], maker, made["token"]))
        assert len(cases) > 10
        for entity, name, token in cases:
            answer = upgrade(world, relay, f"/$hc/{entity}?{CONTROL}", token)
            assert answer.status == 101, f"{name}: {answer}"
            in_query = f"/$hc/{entity}?{CONTROL}&sb-hc-token={encode(token)}"
            assert upgrade(world, relay, in_query).status == 101, f"{name}, in the query"


def test_every_token_that_must_be_refused_is():
    with World() as world:
        relay = vector_relay(world)
        assert len(VECTORS["reject_cases"]) > 10
        for case in VECTORS["reject_cases"]:
            answer = upgrade(world, relay, f"/$hc/hyco?{CONTROL}", case["token"])
            wanted = case["expect"] if isinstance(case["expect"], int) else 401
            assert answer.status == wanted, f"{case['id']}: {answer}"


def test_a_missing_token_is_401_for_listeners_and_senders():
    with world_with_relay() as (world, relay, _):
        for query in ("", "?" + CONTROL):
            answer = upgrade(world, relay, "/$hc/db" + query)
            assert answer.status == 401, answer
            assert f"SystemTracker:sb://localhost:{relay.port}/db" in answer.reason, answer


def test_a_key_without_the_right_is_403():
    with world_with_relay() as (world, relay, _):
        listen, send = listen_token(relay), send_token(relay)
        assert upgrade(world, relay, "/$hc/db?" + CONTROL, send).status == 403
        assert upgrade(world, relay, "/$hc/db?sb-hc-action=connect", listen).status == 403


def test_the_authorization_header_is_taken_with_and_without_bearer():
    with world_with_relay() as (world, relay, _):
        token = listen_token(relay)
        for value in (token, "Bearer " + token):
            headers = {"Authorization": value}
            assert upgrade(world, relay, "/$hc/db?" + CONTROL, headers=headers).status == 101


def test_of_two_carriers_the_header_counts_and_what_is_not_ours_reaches_the_listener():
    with world_with_relay() as (world, relay, peer):
        good, bad = encode(listen_token(relay)), encode(send_token(relay))
        target = f"/$hc/db?{CONTROL}&sb-hc-token="
        assert upgrade(world, relay, target + bad, listen_token(relay)).status == 101
        assert upgrade(world, relay, target + good, send_token(relay)).status == 403
        peer.open("l", url(relay, "db", CONTROL), listen_token(relay))
        own = {"Authorization": "Basic b3duOm93bg=="}
        peer.open("s", url(relay, "db"), send_token(relay), wait="", headers=own)
        assert peer.accept("l")["connectHeaders"]["Authorization"] == own["Authorization"]
        peer.open("t", url(relay, "db"), wait="", headers={"Authorization": send_token(relay)})
        told = json.loads(peer.expect("l", "message", 2)["text"])["accept"]["connectHeaders"]
        assert "Authorization" not in told, "a token went to the listener"


def test_either_key_of_a_rule_is_good_and_so_are_the_namespaces_rules():
    second, root = new_key(), new_key()
    namespace = {
        "HYBRIDGE_RULE_ROOT_NAME": "RootManageSharedAccessKey",
        "HYBRIDGE_RULE_ROOT_RIGHTS": "manage",
        "HYBRIDGE_RULE_ROOT_KEY": root,
    }
    files = {"db": {"HYBRIDGE_RULE_LISTENER_KEY2": second}, "namespace": namespace}
    with World() as world:
        relay = RelayWith(world, ["db"], files)
        expiry = int(time.time()) + 3600
        by_second = sas.token("sb://localhost/db", "defaultListener", second, expiry)
        by_root = sas.token("http://LOCALHOST/", "rootmanagesharedaccesskey", root, expiry)
        for token, target, status in (
            (listen_token(relay), f"/$hc/db?{CONTROL}", 101),
            (by_second, f"/$hc/db?{CONTROL}", 101),
            (by_second, "/$hc/db", 403),
            (by_root, f"/$hc/db?{CONTROL}", 101),
            (by_root, "/$hc/db?sb-hc-action=connect", 404),
            (by_root, "/$hc/other", 404),
        ):
            answer = upgrade(world, relay, target, token)
            assert answer.status == status, (target, answer)


if __name__ == "__main__":
    main()
