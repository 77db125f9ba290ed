#!/usr/bin/env python3
"""An agent without a target takes it from the hybrid connection's user metadata, if it may."""

import contextlib
import json
import os
import signal
from xml.sax.saxutils import escape

import azure_relay  # noqa: F401 (makes the modules of tests/e2e known)
import clients
import servers
from azure_relay import ENTITY, Azure
from azure_ws import BINARY
from harness import BUILD, Process, World, main
from peers import RelayWith

ENTRY = (
    '<entry xmlns="http://www.w3.org/2005/Atom"><id>https://contoso.servicebus.windows.net/db</id>'
    '<title type="text">db</title><content type="application/xml">'
    '<HybridConnectionDescription xmlns="http://schemas.microsoft.com/netservices/2010/10/'
    'servicebus/connect" xmlns:i="http://www.w3.org/2001/XMLSchema-instance">'
    "<CreatedAt>2025-04-24T11:08:15Z</CreatedAt><RequiresClientAuthorization>true"
    "</RequiresClientAuthorization>{metadata}<ListenerCount>1</ListenerCount>"
    "</HybridConnectionDescription></content></entry>"
)
FEED = '<feed xmlns="http://www.w3.org/2005/Atom"><title>Publicly Listed Services</title></feed>'
CONTENT = "Content-Type: application/atom+xml;type=entry;charset=utf-8\r\n"


def metadata(endpoint, key="endpoint"):
    """What App Service writes, other keys and all."""
    return json.dumps([{"key": "other", "value": "x"}, {"key": key, "value": endpoint}])


def entry(text):
    return ENTRY.replace("{metadata}", f"<UserMetadata>{escape(text)}</UserMetadata>")


@contextlib.contextmanager
def world_with_agent(allow, **keys):
    with World() as world, Azure(world) as azure:
        path = world.write_env(
            "agent.env",
            HYBRIDGE_CA_FILE=world.authority.path,
            HYBRIDGE_DB_CONNECTION=azure.connection(),
            HYBRIDGE_DB_ALLOW=allow,
            **keys,
        )
        agent = Process(world, [os.path.join(BUILD, "hybridge-agent"), "-f", path])
        yield azure, agent


def answer(request, body, status=(200, "OK")):
    request.refuse(*status, more=CONTENT, body=body)


def expect_echo(azure, control):
    stream = azure.stream(control)
    stream.send(BINARY, b"hello")
    assert stream.read_data(5) == b"hello"


def test_the_request_is_the_one_of_microsofts_manager():
    with world_with_agent("db.corp:1") as (azure, _):
        request = azure.next("GET")
        assert request.target == f"/{ENTITY}?api-version=2016-07", request.target
        assert request.headers["x-process-at"] == "ServiceBus"
        assert request.headers["authorization"].startswith("SharedAccessSignature sr=http%3A%2F%2F")
        assert request.headers["host"] == f"localhost:{azure.port}"


def test_an_allowed_endpoint_is_the_target():
    for allow in ("127.0.0.1:{}", "other:1 127.0.0.1:*", "127.0.0.0/8:{}"):
        with servers.echo() as target:
            port = target.at[1]
            with world_with_agent(allow.format(port)) as (azure, agent):
                answer(azure.next("GET"), entry(metadata(f"127.0.0.1:{port}")))
                expect_echo(azure, azure.listen())
                agent.wait_log(f"endpoint found.*host=127.0.0.1 port={port}")


def test_another_endpoint_is_one_clear_error_until_it_is_put_right():
    with servers.echo() as target, world_with_agent(f"127.0.0.1:{target.at[1]}") as (azure, agent):
        for other in ("127.0.0.1:1", "localhost:5432", f"127.0.0.2:{target.at[1]}"):
            answer(azure.next("GET"), entry(metadata(other.upper())))
            print("#", agent.wait_log(f"user metadata names {other}, which .* does not allow"))
        assert azure.count("listen") == 0 and target.accepted == 0
        answer(azure.next("GET"), entry(metadata("127.0.0.1:%d" % target.at[1], "Endpoint")))
        expect_echo(azure, azure.listen())


def test_what_is_no_endpoint_is_named():
    answers = [
        (entry("[]"), "names no endpoint"),
        (entry(""), "names no endpoint"),
        (entry("not JSON"), "names no endpoint"),
        (entry('{"key":"endpoint"}'), "names no endpoint"),
        (ENTRY.replace("{metadata}", ""), "names no endpoint"),
        (FEED, "names no endpoint"),
        (entry(metadata(17)), "names no endpoint"),
        (entry(metadata("db.corp")), "endpoint in the user metadata"),
        (entry(metadata("db.corp:99999")), "endpoint in the user metadata"),
        (entry("x" * 5000), "names no endpoint"),
        ("<entry><content>", "not XML as we take it"),
        ('<!DOCTYPE x [<!ENTITY a "aaaa">]>' + entry(metadata("db.corp:1")), "not XML as we take"),
        ("<!DOCTYPE x>" + "\x00" * 100, "not XML as we take it"),
        ("<a>" * 20000, "not XML as we take it"),
        ("x" * 70000, "too long"),
    ]
    for body, words in answers:
        with world_with_agent("db.corp:*") as (azure, agent):
            with contextlib.suppress(OSError):
                answer(azure.next("GET"), body)
            print("#", agent.wait_log(f"control channel down.*{words}"))
            assert azure.count("listen") == 0


def test_refusals_and_broken_answers_are_named():
    def cut(request):
        request.raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<entry>")
        request.sock.close()

    acts = [
        (lambda request: answer(request, "", azure_relay.BAD_SIGNATURE), "401 The token has an"),
        (lambda request: answer(request, "", azure_relay.NO_ENTITY), "404 Endpoint does not"),
        (lambda request: answer(request, "", (503, "Busy")), "503 Busy"),
        (lambda request: answer(request, "", (302, "Found")), "302 Found"),
        (cut, "the answer was cut"),
        (lambda request: request.raw("SSH-2.0\r\n\r\n"), "not HTTP"),
        (lambda request: request.sock.close(), "no answer"),
    ]
    for act, words in acts:
        with world_with_agent("db.corp:*") as (azure, agent):
            act(azure.next("GET"))
            print("#", agent.wait_log(f"control channel down.*asking localhost.*{words}"))


def test_it_is_asked_anew_whenever_the_agent_comes_back():
    with servers.echo() as one, servers.echo() as two, world_with_agent("127.0.0.1:*") as parts:
        azure, _ = parts
        for target in (one, two):
            answer(azure.next("GET"), entry(metadata(f"127.0.0.1:{target.at[1]}")))
            control = azure.listen()
            expect_echo(azure, control)
            control.close(1011, "recycle")
        assert (one.accepted, two.accepted) == (1, 1)


def test_a_reload_that_gives_a_target_uses_it():
    with servers.echo() as one, servers.echo() as two, world_with_agent("127.0.0.1:*") as parts:
        azure, agent = parts
        answer(azure.next("GET"), entry(metadata(f"127.0.0.1:{one.at[1]}")))
        expect_echo(azure, azure.listen())
        agent.world.write_env(
            "agent.env",
            HYBRIDGE_CA_FILE=agent.world.authority.path,
            HYBRIDGE_DB_CONNECTION=azure.connection(),
            HYBRIDGE_DB_TARGET="%s:%d" % two.at,
        )
        agent.signal(signal.SIGHUP)
        expect_echo(azure, azure.listen())
        assert (one.accepted, two.accepted) == (1, 1)


def test_our_own_relay_tells_the_endpoint_too():
    with servers.echo() as target, World() as world:
        text = metadata("127.0.0.1:%d" % target.at[1])
        relay = RelayWith(world, ["db"], {"db": {"HYBRIDGE_RELAY_USER_METADATA": text}})
        path = world.write_env(
            "agent.env",
            HYBRIDGE_CA_FILE=world.authority.path,
            HYBRIDGE_DB_CONNECTION=relay.connection("db", "listen"),
            HYBRIDGE_DB_ALLOW="127.0.0.1:*",
        )
        Process(world, [os.path.join(BUILD, "hybridge-agent"), "-f", path], ready=True)
        app = world.app(relay, {"db": "db.corp:5432"})
        app.sender()
        clients.expect_echo(app, "db.corp", 5432)


def test_target_and_allow_together_are_a_mistake():
    with World() as world:
        path = world.write_env(
            "agent.env",
            HYBRIDGE_DB_CONNECTION="Endpoint=sb://h/;SharedAccessKeyName=n;SharedAccessKey=k;"
            "EntityPath=db",
            HYBRIDGE_DB_TARGET="a:1",
            HYBRIDGE_DB_ALLOW="a:1",
        )
        agent = Process(world, [os.path.join(BUILD, "hybridge-agent"), "-f", path])
        agent.expected_status = 78
        assert agent.wait() == 78
        assert "HYBRIDGE_DB_ALLOW: the connection has a target of its own" in agent.err, agent.err


if __name__ == "__main__":
    main()
