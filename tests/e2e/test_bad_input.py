#!/usr/bin/env python3
"""Wrong keys, expired tokens, missing things: each with its own words and its errno."""

import contextlib
import os
import time

import clients
import servers
from certificates import Authority
from harness import BUILD, Relay, World, main, new_key, until

EXPIRED = -3600  # seconds; well beyond any allowance for clocks


@contextlib.contextmanager
def world_with_agent():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        world.agent(relay, {"db": target.at})
        yield world, relay, target


def expect_program(world, relay, string, verdict, words, **keys):
    """A sender with this connection string logs these words, and programs get the errno."""
    app = world.app(relay, {"db": "db.corp:5432"}, strings={"db": string}, **keys)
    sender = app.sender()
    clients.expect_verdict(app, "db.corp", 5432, verdict)
    print("#", sender.wait_log(words))


def expect_agent(world, relay, string, words, **keys):
    """An agent with this connection string logs these words and goes on trying."""
    agent = world.agent(
        relay, {"db": ("127.0.0.1", 9)}, ready=False, strings={"db": string}, **keys
    )
    print("#", agent.wait_log(words))
    assert agent.alive(), agent.err


def test_a_wrong_key():
    with world_with_agent() as (world, relay, target):
        words = r"signature|key"
        send = relay.connection("db", "send", key=new_key())
        expect_program(world, relay, send, "EACCES", words)
        expect_agent(world, relay, relay.connection("db", "listen", key=new_key()), words)
        assert target.accepted == 0


def test_an_expired_token():
    with world_with_agent() as (world, relay, target):
        for right in ("send", "listen"):
            token = relay.token("db", right, 3600)
            assert "sr=" in token
        send = relay.connection("db", "send", token=relay.token("db", "send", EXPIRED))
        expect_program(world, relay, send, "EACCES", r"expired")
        listen = relay.connection("db", "listen", token=relay.token("db", "listen", EXPIRED))
        expect_agent(world, relay, listen, r"expired")
        assert target.accepted == 0


def test_a_token_that_is_good_works():
    with world_with_agent() as (world, relay, _):
        send = relay.connection("db", "send", token=relay.token("db", "send", 3600))
        app = world.app(relay, {"db": "db.corp:5432"}, strings={"db": send})
        app.sender()
        clients.expect_echo(app, "db.corp", 5432)


def test_a_clock_that_makes_good_tokens_expire():
    there = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 3 * 3600 + 60))
    said = f"401 ExpiredToken: The token has expired. TrackingId:x_G0, SystemTracker:sb://r/db, Timestamp:{there}"
    with servers.answering(said) as ahead, world_with_agent() as (world, relay, _):
        string = f"Endpoint=ws://127.0.0.1:{ahead.at[1]};SharedAccessKeyName=n;SharedAccessKey={new_key()};EntityPath=db"
        words = r'401 ExpiredToken.* hint="set this machine.s clock: it is 3 hours behind the relay.s"'
        expect_program(world, relay, string, "EACCES", words)
        expect_agent(world, relay, string, words)


def test_a_key_without_the_right():
    with world_with_agent() as (world, relay, target):
        words = r"403|right|listen key|sender key|Send|Listen"
        expect_program(world, relay, relay.connection("db", "listen"), "EACCES", words)
        expect_agent(world, relay, relay.connection("db", "send"), words)
        assert target.accepted == 0


def test_an_unknown_connection():
    with world_with_agent() as (world, relay, target):
        words = r"404|not exist|unknown"
        send = relay.connection("db", "send").replace("EntityPath=db", "EntityPath=other")
        expect_program(world, relay, send, "ECONNREFUSED", words)
        listen = relay.connection("db", "listen").replace("EntityPath=db", "EntityPath=other")
        expect_agent(world, relay, listen, words)
        assert target.accepted == 0


def test_an_unreachable_relay():
    with servers.refusing() as at, world_with_agent() as (world, relay, _):
        words = r"cannot reach|refused"
        send = relay.connection("db", "send", port=at[1])
        expect_program(world, relay, send, "ENETUNREACH", words)
        expect_agent(world, relay, relay.connection("db", "listen", port=at[1]), words)


def test_a_relay_whose_name_is_unknown():
    with world_with_agent() as (world, relay, _):
        words = r"relay\.invalid"
        send = relay.connection("db", "send").replace("localhost", "relay.invalid")
        expect_program(world, relay, send, "ENETUNREACH", words)
        listen = relay.connection("db", "listen").replace("localhost", "relay.invalid")
        expect_agent(world, relay, listen, words)


def test_a_certificate_that_nobody_trusted_has_signed():
    with world_with_agent() as (world, relay, target):
        other = Authority(world.path("other-ca"), "somebody else")
        words = r"certificate"
        ca = {"HYBRIDGE_CA_FILE": other.path}
        expect_program(world, relay, relay.connection("db", "send"), "ENETUNREACH", words, **ca)
        expect_agent(world, relay, relay.connection("db", "listen"), words, **ca)
        assert target.accepted == 0


def test_a_certificate_for_another_host():
    with World() as world:
        certificate = world.authority.make("elsewhere", "DNS:elsewhere.example")
        relay = world.relay(["db"], certificate=certificate)
        words = r"certificate"
        expect_program(world, relay, relay.connection("db", "send"), "ENETUNREACH", words)
        expect_agent(world, relay, relay.connection("db", "listen"), words)


def test_a_file_with_a_key_that_others_can_read_is_refused():
    with world_with_agent() as (world, relay, _):
        app = world.app(relay, {"db": "db.corp:5432"})
        os.chmod(app.path, 0o644)
        sender = world.start([os.path.join(BUILD, "hybridge-sender"), "-f", app.path])
        sender.expected_status = 78
        assert sender.wait() == 78
        assert "0644" in sender.err and "chmod 0600" in sender.err and "chgrp" not in sender.err, sender.err


def test_a_misspelt_key_is_named_with_file_and_line():
    with world_with_agent() as (world, relay, _):
        app = world.app(relay, {"db": "db.corp:5432"}, HYBRIDGE_CONECT_TIMEOUT="2s")
        sender = world.start([os.path.join(BUILD, "hybridge-sender"), "-f", app.path])
        sender.expected_status = 78
        assert sender.wait() == 78
        assert f"{app.path}:5" in sender.err, sender.err
        assert "HYBRIDGE_CONNECT_TIMEOUT" in sender.err, sender.err


def test_a_relay_on_an_address_of_another_machine_is_told_so():
    with World() as world:
        path = world.write_env("relay.env", HYBRIDGE_RELAY_LISTEN="192.0.2.1:0", HYBRIDGE_RELAY_DIR=world.logs,
                               HYBRIDGE_RELAY_CERT=world.authority.leaf[0], HYBRIDGE_RELAY_KEY=world.authority.leaf[1])
        relay = world.start([os.path.join(BUILD, "hybridge-relay"), "-f", path])
        relay.expected_status = relay.wait()
        assert "cannot listen" in relay.err and "names an address of this machine" in relay.err, relay.err


def test_no_log_has_a_key_or_a_token():
    with world_with_agent() as (world, relay, _):
        app = world.app(relay, {"db": "db.corp:5432"}, HYBRIDGE_LOG_LEVEL="debug")
        app.sender()
        clients.expect_echo(app, "db.corp", 5432)
        wrong = new_key()
        string = relay.connection("db", "send", key=wrong)
        bad = world.app(relay, {"db": "db.corp:5432"}, strings={"db": string})
        bad.sender()
        clients.expect_verdict(bad, "db.corp", 5432, "EACCES")
        secrets = [*relay.rules["db"].values(), wrong, "SharedAccessSignature sr="]
        for process in world.processes:
            for secret in secrets:
                assert secret not in process.out + process.err, f"{process.name} told a secret"


def test_an_agent_finds_a_relay_that_comes_up_later():
    port = servers.free_port()
    with servers.echo() as target, World() as world:
        first = world.relay(["db"], listen=f"127.0.0.1:{port}")
        assert first.stop() == 0
        agent = world.agent(first, {"db": target.at}, ready=False)
        agent.wait_log(r"cannot reach|refused")
        app = world.app(first, {"db": "db.corp:5432"})
        app.sender()
        clients.expect_verdict(app, "db.corp", 5432, "ENETUNREACH")
        first.again()
        until(lambda: clients.outcome(app, "blocking", "db.corp", 5432)["errno"] == "", "the relay")


if __name__ == "__main__":
    main()
