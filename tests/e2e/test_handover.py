#!/usr/bin/env python3
"""A changed env file is used from the next connect() on; no stream and no connect() is lost for it."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import urllib.request

import clients
import servers
from harness import BUILD, PYTHON, World, at_once, main, until

# Opens a stream, and sends and reads a byte for each line.
KEEPING = """
import json, socket, sys
with socket.create_connection(("db.corp", 5432)) as s:
    while True:
        s.sendall(b"x")
        print(json.dumps({"echo": s.recv(1) == b"x"}), flush=True)
        if not sys.stdin.readline():
            break
"""

# Opens streams one after the other until it is told to stop; counts them, and those that failed.
STORM = """
import json, socket, sys, threading
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
print(json.dumps({"begun": True}), flush=True)
good, bad = 0, []
while not stop.is_set():
    try:
        with socket.create_connection(("db.corp", 5432)) as s:
            s.sendall(b"x")
            assert s.recv(1) == b"x"
        good += 1
    except OSError as error:
        bad.append(str(error))
print(json.dumps({"good": good, "bad": bad}), flush=True)
"""
STORMS = 4
CHANGES = 5
QUICK_CHANGES = 15


@contextlib.contextmanager
def world_without_sender(string=None, **keys):
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        world.agent(relay, {"db": target.at})
        strings = {"db": string(world, relay)} if string else None
        yield world, relay, world.app(relay, {"db": "db.corp:5432"}, strings=strings, **keys)


def edit(path, change):
    """Puts another file in its place, as editors and configuration management do."""
    with open(path, encoding="ascii") as file:
        text = change(file.read())
    with open(os.open(path + "~", os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
        file.write(text)
    os.rename(path + "~", path)


def log_of(app):
    with open(app.socket + ".log", encoding="utf-8") as file:
        return file.read()


def errno_of(app, host="db.corp"):
    return clients.outcome(app, "blocking", host, 5432)["errno"]


def test_a_key_that_was_set_right_is_used_by_the_next_connect():
    with world_without_sender(lambda world, relay: wrong(relay)) as (world, relay, app):
        assert errno_of(app) == "EACCES"
        (first,) = world.started_senders()
        edit(app.path, lambda text: text.replace(wrong(relay), relay.connection("db", "send")))
        assert errno_of(app) == ""
        until(lambda: first not in world.started_senders(), "the first sender's end")
        assert len(world.started_senders()) == 1
        assert log_of(app).count("a new sender has taken over") == 1, log_of(app)


def wrong(relay):
    """A connection string whose key is another one."""
    return relay.connection("db", "send").replace("SharedAccessKey=", "SharedAccessKey=AAAA")


def test_a_file_that_the_env_file_names_counts_as_well():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        world.agent(relay, {"db": target.at})
        secret = world.path("db.connection")
        with open(os.open(secret, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(wrong(relay))
        app = world.app(relay, {}, HYBRIDGE_DB_CONNECTION_FILE=secret, HYBRIDGE_DB_HOSTS="db.corp:5432")
        assert errno_of(app) == "EACCES"
        edit(secret, lambda _: relay.connection("db", "send"))
        assert errno_of(app) == ""


def test_a_stream_goes_on_with_the_sender_that_has_it():
    with world_without_sender() as (world, _, app):
        kept = app.start([PYTHON, "-c", KEEPING], stdin=subprocess.PIPE)
        kept.line("echo")
        (first,) = world.started_senders()
        edit(app.path, lambda text: text.replace("db.corp:5432", "db.corp:5432 more.corp:5432"))
        assert errno_of(app, "more.corp") == ""
        assert first in world.started_senders() and len(world.started_senders()) == 2
        kept.popen.stdin.write(b"\n")
        kept.popen.stdin.flush()
        until(lambda: len(kept.lines) == 2, "an echo")
        kept.popen.stdin.close()
        assert kept.wait() == 0 and all(line["echo"] for line in kept.lines), kept.lines
        until(lambda: first not in world.started_senders(), "the first sender's end")
        assert errno_of(app, "more.corp") == ""


def streams_of(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        text = page.read().decode()
    (number,) = re.findall(r'^hybridge_sender_streams{connection="db"} (\d+)$', text, re.MULTILINE)
    return int(number)


def test_the_next_sender_has_the_address_for_metrics():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with world_without_sender(HYBRIDGE_STATUS_LISTEN=f"127.0.0.1:{port}") as (world, _, app):
        kept = app.start([PYTHON, "-c", KEEPING], stdin=subprocess.PIPE)
        kept.line("echo")
        for _ in range(2):
            edit(app.path, lambda text: text + "# another line\n")
            assert errno_of(app) == ""
            # Of one that has no stream of the first.
            until(lambda: streams_of(port) == 0, "the new sender's metrics")
        kept.popen.stdin.close()
        assert kept.wait() == 0


def test_no_connect_is_lost_while_the_file_changes_again_and_again():
    with world_without_sender() as (world, _, app):
        assert errno_of(app) == ""
        storms = [app.start([PYTHON, "-c", STORM], stdin=subprocess.PIPE) for _ in range(STORMS)]
        for storm in storms:
            storm.line("begun")
        seen = set(world.started_senders())
        for _ in range(CHANGES):
            edit(app.path, lambda text: text + "# another line\n")
            until(lambda: set(world.started_senders()) - seen, "the next sender")
            seen.update(world.started_senders())
            # When it serves, it has read the file.
            assert errno_of(app) == ""
        for storm in storms:
            storm.popen.stdin.close()
        seen = at_once([lambda storm=storm: storm.line("good") for storm in storms])
        assert all(one["good"] > 0 and not one["bad"] for one in seen), seen
        until(lambda: len(world.started_senders()) == 1, "one sender")


def test_an_upgraded_program_is_the_next_sender():
    """As packages do it: another file by the same name, the old one deleted."""
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        world.agent(relay, {"db": target.at})
        program = shutil.copy(os.path.join(BUILD, "hybridge-sender"), world.path("hybridge-sender"))
        app = world.app(relay, {"db": "db.corp:5432"}, HYBRIDGE_SENDER=program)
        assert errno_of(app) == ""
        (first,) = world.started_senders()
        os.rename(shutil.copy(program, program + "~"), program)
        edit(app.path, lambda text: text + "# another line\n")
        assert errno_of(app) == ""
        until(lambda: first not in world.started_senders(), "the first sender's end")
        (second,) = world.started_senders()
        assert os.readlink(f"/proc/{second}/exe") == program


def test_the_last_of_many_quick_changes_counts():
    """Also of those that are made while the next sender comes up."""
    with world_without_sender() as (world, _, app):
        assert errno_of(app) == ""
        storm = app.start([PYTHON, "-c", STORM], stdin=subprocess.PIPE)
        storm.line("begun")
        for change in range(QUICK_CHANGES):
            host = f"h{change}.corp"
            for _ in range(change % 7 * 20 + 1):
                edit(app.path, lambda text: text + "# another line\n")
            edit(app.path, lambda text, host=host: text.replace("db.corp:5432", f"db.corp:5432 {host}:5432"))
            assert errno_of(app, host) == "", (change, log_of(app)[-2000:])
        storm.popen.stdin.close()
        seen = storm.line("good")
        assert seen["good"] > 0 and not seen["bad"], seen
        until(lambda: len(world.started_senders()) == 1, "one sender")


def test_a_file_that_cannot_be_used_changes_nothing_and_is_logged_once():
    with world_without_sender() as (world, _, app):
        assert errno_of(app) == ""
        before = world.started_senders()
        edit(app.path, lambda text: text + "HYBRIDGE_DB_NO_SUCH_KEY='1'\n")
        for _ in range(3):
            assert errno_of(app) == ""
        assert world.started_senders() == before
        assert log_of(app).count("configuration not changed") == 1, log_of(app)
        assert "HYBRIDGE_DB_NO_SUCH_KEY" in log_of(app), log_of(app)


def test_a_new_sender_that_fails_leaves_all_to_the_old_one():
    with socket.create_server(("127.0.0.1", 0)) as taken, world_without_sender() as (world, _, app):
        assert errno_of(app) == ""
        before = world.started_senders()
        line = f"HYBRIDGE_STATUS_LISTEN='127.0.0.1:{taken.getsockname()[1]}'\n"
        edit(app.path, lambda text: text + line)
        for _ in range(3):
            assert errno_of(app) == ""
        assert world.started_senders() == before
        assert log_of(app).count("the new sender has failed") == 1, log_of(app)
        assert "cannot listen for status requests" in log_of(app), log_of(app)
        edit(app.path, lambda text: text.replace(line, ""))
        assert errno_of(app) == ""
        until(lambda: world.started_senders() not in (before, []), "the next sender")


def test_a_sender_that_was_started_by_hand_stays_and_says_so():
    with world_without_sender() as (_, _, app):
        sender = app.sender()
        assert errno_of(app) == ""
        edit(app.path, lambda text: text + "# another line\n")
        for _ in range(2):
            assert errno_of(app) == ""
        sender.wait_log("configuration has changed, and is not used")
        assert sender.err.count("has changed") == 1, sender.err
        assert sender.stop() == 0


if __name__ == "__main__":
    main()
