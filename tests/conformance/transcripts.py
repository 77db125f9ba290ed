#!/usr/bin/env python3
"""The exchanges that PROTOCOL.md shows, made with nc and curl at a real relay.

    B=build tests/conformance/transcripts.py          prints them
    B=build tests/conformance/transcripts.py --write  puts them into PROTOCOL.md

What differs from run to run (ports, GUIDs, secrets, tokens, times) is replaced.
"""

import json
import os
import re
import subprocess
import sys

from peers import CLEAN_ENV, DEADLINE, HANDSHAKE, SOURCE, RelayWith, World
from peers import listen_token, send_token, target_of, until

DOCUMENT = os.path.join(SOURCE, "PROTOCOL.md")
START, END = "<!-- transcripts: made by tests/conformance/transcripts.py -->", "<!-- end -->"
HOST = "relay.example:8080"
METADATA = '[{"key":"endpoint","value":"db.corp:5432"}]'
ID = "0f8fad5b-d9cb-469f-a165-70867728950e"

REPLACED = (
    (r"SharedAccessSignature sr=[^\r\n\"']+", "SharedAccessSignature sr=...&sig=...&se=...&skn=..."),
    (r"sb-hc-rv=[0-9a-f]+", "sb-hc-rv=SECRET"),
    (rf"(?!{ID})[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}", "GUID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "TIME"),
    (r'"port":\d+', '"port":PORT'),
    (r"_G0_G\d+", "_G0_G1"),
    (r"Content-Length: \d+", "Content-Length: ..."),
)


class Transcript:
    """Lines of what was sent and received."""

    def __init__(self, relay):
        self.relay = relay
        self.lines = []

    def note(self, text, prefix=""):
        text = text.replace(f"127.0.0.1:{self.relay.port}", HOST)
        for pattern, words in REPLACED:
            text = re.sub(pattern, words, text)
        self.lines += [f"{prefix}{line}".rstrip() for line in text.splitlines()]

    def say(self, text):
        self.lines += ["", f"# {text}"]

    def text(self):
        return "\n".join(self.lines).strip() + "\n"


class Netcat:
    """nc at the relay; what goes in and out is noted."""

    def __init__(self, world, transcript, name):
        self.transcript, self.name = transcript, name
        argv = ["nc", "127.0.0.1", str(transcript.relay.port)]
        out = os.path.join(world.folder, f"{name}.nc")
        with open(out, "wb") as file:
            self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=file)
        self.path = out
        world.closers.callback(self.stop)
        self.at = 0

    def stop(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()

    def ask(self, target, token=None, shown=("Host", "Upgrade", "ServiceBusAuthorization")):
        """Sends a WebSocket handshake; of the headers that never differ two are enough to see."""
        headers = {"Host": f"127.0.0.1:{self.transcript.relay.port}", **HANDSHAKE}
        if token:
            headers["ServiceBusAuthorization"] = token
        start = f"GET {target} HTTP/1.1\n"
        lines = [f"{name}: {value}\n" for name, value in headers.items()]
        self.process.stdin.write((start + "".join(lines) + "\n").replace("\n", "\r\n").encode())
        self.process.stdin.flush()
        brief = [line for line in lines if line.startswith(shown)]
        self.transcript.note(start + "".join(brief), f"{self.name} > ")
        return self

    def hear(self):
        """Notes the head that comes next."""
        end = until(lambda: self._raw().find(b"\r\n\r\n", self.at) + 1, f"an answer to {self.name}")
        self.transcript.note(self._raw()[self.at : end].decode(), f"{self.name} < ")
        self.at = end + 3
        return self

    def hear_accept(self):
        """Notes the accept message that comes next; its address."""
        until(lambda: len(self._raw()) >= self.at + 4, "a frame")
        start = self._raw()[self.at : self.at + 4]
        assert start[:2] == b"\x81\x7e", start
        size = int.from_bytes(start[2:], "big")
        until(lambda: len(self._raw()) >= self.at + 4 + size, "all of a frame")
        text = self._raw()[self.at + 4 : self.at + 4 + size].decode()
        self.transcript.note(text, f"{self.name} < ")
        self.at += 4 + size
        return json.loads(text)["accept"]["address"].replace("ws://", "wss://")

    def _raw(self):
        with open(self.path, "rb") as file:
            return file.read()


def curl(transcript, *words):
    """Runs curl -i and notes what it printed."""
    *options, path = words
    address = f"http://127.0.0.1:{transcript.relay.port}{path}"
    quoted = [word if word.startswith("-") else f"'{word}'" for word in (*options, address)]
    transcript.note(f"$ curl -i {' '.join(quoted)}")
    argv = ["curl", "-i", "-sS", "--noproxy", "*", "--max-time", str(DEADLINE), *options, address]
    done = subprocess.run(argv, env=CLEAN_ENV, capture_output=True, check=True)
    # The tags are easier to read one below the other.
    transcript.note(done.stdout.decode().replace("><", ">\n<"))


def make():
    """All of it, as text."""
    with World() as world:
        more = {"db": {"HYBRIDGE_RELAY_USER_METADATA": METADATA}}
        # Addresses name the worker where there is more than the main thread.
        plain = {"HYBRIDGE_RELAY_CERT": "", "HYBRIDGE_RELAY_KEY": "", "HYBRIDGE_RELAY_WORKERS": "0"}
        relay = RelayWith(world, ["db"], more, **plain)
        transcript = Transcript(relay)
        show_streams(world, relay, transcript)
        show_requests(relay, transcript)
        return transcript.text()


def show_streams(world, relay, transcript):
    listen, connect = "/$hc/db?sb-hc-action=listen", "/$hc/db/orders?x=1&sb-hc-action=connect"

    def netcat(name):
        return Netcat(world, transcript, name)

    transcript.say("Each name stands for one: nc relay.example 8080.  A listener without a token:")
    netcat("listener").ask(listen).hear()
    transcript.say("A sender while nobody listens:")
    netcat("sender").ask("/$hc/db", send_token(relay)).hear()
    transcript.say("A listener with a token:")
    listener = netcat("listener").ask(listen, listen_token(relay)).hear()
    transcript.say("A sender; the listener is told in a text frame, and accepts:")
    sender = netcat("sender").ask(f"{connect}&sb-hc-id={ID}", send_token(relay))
    target = target_of(listener.hear_accept())
    netcat("accepting").ask(target).hear()
    sender.hear()
    transcript.say("The same address once more:")
    netcat("again").ask(target).hear()
    transcript.say("Another sender, whom the listener refuses:")
    sender = netcat("sender2").ask("/$hc/db", send_token(relay))
    target = target_of(listener.hear_accept())
    no = "&sb-hc-statusCode=403&sb-hc-statusDescription=Not+for+you"
    netcat("refusing").ask(target + no).hear()
    sender.hear()


def show_requests(relay, transcript):
    token = f"Authorization: {listen_token(relay)}"
    manage = "/db?api-version=2016-07"
    transcript.say("A sign of life:")
    curl(transcript, "/")
    transcript.say("What Microsoft's manager asks:")
    curl(transcript, "-H", token, manage)
    transcript.say("The same without a token:")
    curl(transcript, manage)
    transcript.say("A request that would have to be relayed:")
    curl(transcript, "/db/orders")


def shown():
    """What PROTOCOL.md has."""
    with open(DOCUMENT, encoding="utf-8") as file:
        text = file.read()
    start = text.index(START) + len(START)
    return text[start : text.index(END, start)].strip().strip("`").strip() + "\n"


def write(made):
    with open(DOCUMENT, encoding="utf-8") as file:
        text = file.read()
    start = text.index(START) + len(START)
    end = text.index(END, start)
    with open(DOCUMENT, "w", encoding="utf-8") as file:
        file.write(f"{text[:start]}\n\n```\n{made}```\n\n{text[end:]}")


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        write(make())
    else:
        print(make(), end="")
