#!/usr/bin/env python3
"""Tokens that somebody else makes, for agent and sender: Entra ID's, from a command or a file."""

import base64
import contextlib
import json
import os
import time

import azure_relay
import clients
import servers
from azure_relay import ENTITY, Azure
from azure_ws import PONG, TEXT
from harness import BUILD, World, main, until

HOUR = 3600


def jwt(seconds, name="a"):
    """A token whose signature nobody here looks at, good for so long."""

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = {"aud": "https://relay.azure.net/", "exp": int(time.time()) + seconds, "oid": name}
    return f"{part({'alg': 'none'})}.{part(claims)}.{part({'sig': name})}"


def cli_answer(token, seconds):
    """What `az account get-access-token` prints."""
    expires = int(time.time()) + seconds
    return json.dumps({"accessToken": token, "expires_on": expires, "tokenType": "Bearer"})


@contextlib.contextmanager
def world_with_azure():
    with World() as world, Azure(world) as azure:
        azure.bare = f"Endpoint=sb://localhost:{azure.port}/;EntityPath={ENTITY}"
        yield world, azure


def write(world, name, text):
    """Replaces a file in one step, as those do who keep a token fresh."""
    path = world.path(name)
    with open(os.open(path + ".new", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    os.rename(path + ".new", path)
    return path


def agent_with(azure, target=("127.0.0.1", 9), **keys):
    return azure.agent(target, azure.bare, **{f"HYBRIDGE_DB_{k}": v for k, v in keys.items()})


def app_with(azure, **keys):
    return azure.app(azure.bare, **{f"HYBRIDGE_DB_{k}": v for k, v in keys.items()})


def header(request):
    return request.headers["servicebusauthorization"]


def test_a_token_from_a_command_goes_out_as_it_is():
    with world_with_azure() as (world, azure):
        for text in (jwt(HOUR), cli_answer(jwt(HOUR), HOUR), "Bearer " + jwt(HOUR)):
            path = write(world, "answer", text + "\n")
            agent = agent_with(azure, TOKEN_COMMAND=f"cat {path}")
            expected = json.loads(text)["accessToken"] if text[0] == "{" else text.split()[-1]
            assert header(azure.next("listen")) == expected
            agent.stop()


def test_the_agent_renews_with_a_new_token_before_the_old_one_ends():
    with world_with_azure() as (world, azure), servers.echo() as target:
        # Renewed in 5 s, which is as soon as that goes.
        path = write(world, "token", jwt(7, "old"))
        agent = agent_with(azure, target.at, TOKEN_FILE=path)
        request = azure.next("listen")
        control = request.upgrade()
        old, new = header(request), jwt(HOUR, "new")
        write(world, "token", new)
        opcode, message = control.read()
        while opcode != TEXT:
            control.send(PONG, message)
            opcode, message = control.read()
        assert json.loads(message) == {"renewToken": {"token": new}}, message
        assert old != new and agent.alive()


def test_a_command_that_fails_is_named_without_what_it_said_and_tried_again():
    with world_with_azure() as (world, azure):
        path = world.path("works")
        script = f"test -e {path} || {{ echo s3cret; echo s3cret >&2; exit 3; }}; cat {path}"
        agent = agent_with(azure, TOKEN_COMMAND=script)
        print("#", agent.wait_log(r"TOKEN_COMMAND: the command left with status 3"))
        token = jwt(HOUR)
        write(world, "works", token)
        assert header(azure.next("listen")) == token
        assert "s3cret" not in agent.err and token not in agent.err


def test_what_is_no_token_is_named_and_never_shown():
    wrong = {
        "": "there is nothing",
        "s3cret\nX-Header: y": "more than one line",
        '{"accessToken":': "begins like JSON",
        '{"error":"s3cret"}': "has no accessToken",
        jwt(-60): "ran out",
    }
    with world_with_azure() as (world, azure):
        for text, words in wrong.items():
            path = write(world, "token", text)
            agent = agent_with(azure, TOKEN_FILE=path)
            print("#", agent.wait_log(rf"TOKEN_FILE: .*{words}"))
            assert "s3cret" not in agent.err and "eyJ" not in agent.err, agent.err
            agent.stop()
        assert azure.count("listen") == 0


def test_a_token_file_that_others_can_read_is_refused():
    with world_with_azure() as (world, azure):
        path = write(world, "token", jwt(HOUR))
        os.chmod(path, 0o644)
        agent = agent_with(azure, TOKEN_FILE=path)
        print("#", agent.wait_log("TOKEN_FILE.*0644"))
        os.chmod(path, 0o600)
        azure.next("listen")


def test_programs_wait_for_the_command_and_share_its_token():
    with world_with_azure() as (world, azure):
        go, runs = world.path("go"), world.path("runs")
        os.mkfifo(go)
        token = jwt(HOUR)
        command = f"echo run >> {runs}; read line < {go}; echo {token}"
        app, sender = app_with(azure, TOKEN_COMMAND=command)
        programs = [clients.start(app, "blocking", "db.corp", 5432) for _ in range(3)]
        until(lambda: os.path.exists(runs), "the command")
        # The loop is not held up by it.
        assert '"version"' in status(app)
        assert all(not program.out for program in programs) and azure.count("connect") == 0
        with open(go, "w", encoding="ascii") as fifo:
            fifo.write("now\n")
        for _ in programs:
            request = azure.next("connect")
            assert header(request) == token
            request.refuse(404, "none")
        for program in programs:
            assert program.line("errno")["errno"] == "ECONNREFUSED"
        with open(runs, encoding="ascii") as file:
            assert file.read() == "run\n"
        assert token not in sender.err


def status(app):
    """What the sender says about itself."""
    process = app.world.start(
        [os.path.join(BUILD, "hybridge"), "status", "--json"],
        env={**app.env(), "LD_PRELOAD": ""},
    )
    process.wait()
    return process.out


def test_a_command_that_fails_is_eacces_for_the_program():
    with world_with_azure() as (_, azure):
        app, sender = app_with(azure, TOKEN_COMMAND="echo s3cret; exit 7")
        clients.expect_verdict(app, "db.corp", 5432, "EACCES")
        print("#", sender.wait_log("connect refused.*the command left with status 7"))
        assert azure.count("connect") == 0 and "s3cret" not in sender.err


def test_a_command_that_hangs_is_a_time_out_and_leaves_no_process():
    with world_with_azure() as (world, azure):
        script = f"echo $$ > {world.path('pid')}; sleep 1000 & sleep 1000"
        keys = {"HYBRIDGE_DB_TOKEN_COMMAND": script, "HYBRIDGE_CONNECT_TIMEOUT": "500ms"}
        app, sender = azure.app(azure.bare, **keys)
        clients.expect_verdict(app, "db.corp", 5432, "ETIMEDOUT")
        print("#", sender.wait_log("TOKEN_COMMAND has not ended"))
        with open(world.path("pid"), encoding="ascii") as file:
            group = int(file.read())
        assert sender.stop() == 0
        until(lambda: not alive(group), "the end of the command")


def alive(group):
    """Whether a process of the group runs; the dead may wait for whoever adopted them."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        # After the name, in parentheses: state, parent, group.
        state, _, its_group = (read_stat(pid).rpartition(")")[2].split() or ["Z", "", ""])[:3]
        if state not in "ZX" and its_group == str(group):
            return True
    return False


def read_stat(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read()
    return ""


def test_a_token_that_the_relay_does_not_like_is_fetched_anew():
    with world_with_azure() as (world, azure):
        path = write(world, "token", jwt(HOUR, "first"))
        app, _ = app_with(azure, TOKEN_FILE=path)
        program = clients.start(app, "blocking", "db.corp", 5432)
        azure.next("connect").refuse(*azure_relay.BAD_SIGNATURE)
        assert program.line("errno")["errno"] == "EACCES"
        second = jwt(HOUR, "second")
        write(world, "token", second)
        clients.start(app, "blocking", "db.corp", 5432)
        request = azure.next("connect")
        assert header(request) == second
        request.refuse(404, "none")


if __name__ == "__main__":
    main()
