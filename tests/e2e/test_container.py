#!/usr/bin/env python3
"""The files for containers: what they name is there, what they confine is confined, and what they arrange works."""

import os
import re
import shutil
import stat
import subprocess
import tempfile
import urllib.error
import urllib.request

import containers
import manual
import servers
from containers import Stage, compose, image, kubernetes
from harness import SOURCE, World, main, tap, tool, until

PROGRAMS = {"/usr/local/bin/hybridge", *(f"/usr/local/sbin/{name}" for name in manual.DAEMONS)}
LIBRARY = "/usr/local/lib/hybridge/libhybridge.so"
STRING = "Endpoint=sb://r.example/;SharedAccessKeyName=n;SharedAccessKey=c2VjcmV0;EntityPath=db"


def output(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def source(*path):
    with open(os.path.join(SOURCE, *path), encoding="utf-8") as file:
        return file.read()


def everyone():
    """Each container of both files, by name; our image's have a command."""
    both = {**{("compose", name): one for name, one in compose().items()}, **kubernetes()}
    assert {name[1] for name, one in both.items() if not one.command} == {"app"}, both.keys()
    return both


def commands_in_comments(name):
    """The commands of ours that a file's comments name: in a line of their own, or in `these` or [these]."""
    text = containers.read(name)
    prose = re.sub(r"\n *# ?", " ", text)
    named = re.findall(r"^#\t(.*?)(?:\t|$)", text, re.M) + re.findall(r"`([^`]*)`", prose)
    named += [words.replace(",", "") for words in re.findall(r"[Ww]ith \[(.*?)\]", prose)]
    found = (re.search(r"\bhybridge (?!hybridge\b|-).*", words) for words in named)
    return [words[0].split() for words in found if words]


def test_the_image_gets_the_programs_and_the_library_and_nothing_else():
    assert containers.image_files() == PROGRAMS | {LIBRARY}
    for path in containers.image_files():
        mode = stat.S_IMODE(os.stat(containers.installed() + path).st_mode)
        assert mode == (0o644 if path == LIBRARY else 0o755), path
    user, group = image("USER")[0].split(":")
    assert int(user) > 0 and int(group) > 0
    assert f"-m 0755 -o {user} -g {group} /run/hybridge" in " ".join(image("RUN"))


def test_what_is_built_is_the_source_by_targets_that_there_are():
    steps = containers.instructions(0)
    made = " ".join(rest for word, rest in steps if word == "RUN")
    targets = re.findall(r"\bmake (?:-\S+ )*([a-z]+)", made)
    assert targets == ["programs", "install"] and f"DESTDIR={containers.INSTALLED}" in made, made
    assert not set(targets) - set(re.findall(r"^([a-z]+):", source("Makefile"), re.M))
    # build-dep takes the packages from this file, for whatever machine it is.
    assert ("COPY", "debian/control debian/") in steps and "build-dep" in made, steps
    ignored = {re.sub(r"^\*\*/", "", line) for line in source(".dockerignore").split()}
    assert ignored == {".git"} | {line.strip("/") for line in source(".gitignore").split()}


def test_the_image_has_each_library_that_the_programs_need_and_no_other():
    if os.environ.get("SAN"):
        tap.skip("such programs need a sanitizer's libraries, too")
    (base,) = image("FROM")
    release = "".join(re.findall(r'^VERSION_ID="?(\w+)', source("/etc/os-release"), re.M))
    if f"debian:{release}-slim" != base:
        tap.skip(f"packages have other names in Debian {release} than in {base}")
    needed = set()
    for path in PROGRAMS:
        needed |= set(re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-dW", containers.installed() + path)))
    # "libc6:amd64: /lib/x86_64-linux-gnu/libc.so.6"
    owners = set(re.findall(r"^([^:]+):", output("dpkg-query", "-S", *(f"*/{name}" for name in needed)), re.M))
    owners = {name for name in owners if not name.startswith("libc6")}
    (steps,) = [rest for rest in image("RUN") if "apt-get install" in rest]
    words = re.search(r"install -y --no-install-recommends\s+(.*?)\s+&&", steps)[1].split()
    assert set(words) == owners | {"ca-certificates", "$fast"}, (words, owners)
    machine, fast = re.search(r"in (\w+)\) fast=(\S+)", steps).groups()
    assert f"{fast} [{machine}]" in source("debian", "control"), fast


def test_every_command_in_them_is_one_with_options_that_it_has():
    commands = [one.command for one in everyone().values() if one.command]
    commands += [one.probe for one in everyone().values() if one.probe]
    commands += [re.findall(r'"(.*?)"', said) for said in image("CMD")]
    commands += [words for name in containers.FILES for words in commands_in_comments(name)]
    assert len(commands) > 10 and ["hybridge", "doctor"] in [words[:2] for words in commands], commands
    for program, *words in commands:
        if program == "install":
            assert words[-2] == LIBRARY and words[-1] == "/run/hybridge/", words
            continue
        if program == "hybridge":
            assert words[0] in ("help", *manual.commands()), words
        shown = manual.run(program, *(words[:1] if program == "hybridge" else []), "--help")
        assert shown.returncode == 0, (program, words, shown.stderr)
        options = {word for word in words if word.startswith("--")}
        assert options <= {"--help", *manual.OPTION.findall(shown.stdout)}, words


def test_every_key_in_them_is_right_for_the_program_that_gets_it():
    with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:  # of mode 0600
        file.write(STRING)
        file.flush()
        for name, one in everyone().items():
            assert not set(one.env) & {"HYBRIDGE_DB_CONNECTION", "HYBRIDGE_CONNECTION"}, name
            if not one.command or "CONNECTION_FILE" not in " ".join(one.env):
                continue
            env = {**one.env, "HYBRIDGE_DB_CONNECTION_FILE": file.name}
            done = manual.run("hybridge", "config", "check", env=env)
            assert done.returncode == 0 and not done.stderr, (name, done.stderr)
            hosts, target = one.env.get("HYBRIDGE_DB_HOSTS"), one.env.get("HYBRIDGE_DB_TARGET")
            meant = f"for programs that connect to {hosts}" if one.command == ["hybridge-sender"] else f"to {target}"
            assert meant in done.stdout, (name, done.stdout)
    for name in containers.FILES:
        assert "SharedAccessKey" not in containers.read(name), name


def test_program_and_sender_are_told_the_same():
    services, pod = compose(), {name[1]: one for name, one in kubernetes().items() if name[0] == "app"}
    for side in (services, pod):
        sender, app, library = side["sender"], side["app"], side["library"]
        agreed = {key: app.env[key] for key in app.env if key != "LD_PRELOAD"}
        assert set(agreed) == {"HYBRIDGE_SOCKET", "HYBRIDGE_DB_HOSTS"} and agreed.items() <= sender.env.items(), agreed
        assert app.env["LD_PRELOAD"] == library.command[-1] + os.path.basename(LIBRARY)
        (folder,) = app.mounts
        assert sender.mounts[folder] == app.mounts[folder] == library.mounts[folder]
        assert os.path.dirname(agreed["HYBRIDGE_SOCKET"]) == folder == os.path.dirname(app.env["LD_PRELOAD"])
        # The sender serves no other user, and the library trusts none.
        assert (sender.user, sender.group) == (app.user, app.group)
    assert services["app"].said["depends_on"] == {"sender": {"condition": "service_healthy"}}
    assert services["sender"].said["depends_on"] == {"library": {"condition": "service_completed_successfully"}}
    first = [one["name"] for one in containers.pods()["app"]["initContainers"]]
    assert first == ["library", "sender"] and pod["sender"].said["restartPolicy"] == "Always"


def test_every_container_is_confined():
    for name, pod in containers.pods().items():
        context = pod["securityContext"]
        assert context["runAsNonRoot"] and context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        assert context["runAsUser"] > 0 and context["fsGroup"] == context["runAsGroup"] > 0, name
    for name, one in kubernetes().items():
        context = one.said["securityContext"]
        assert context["readOnlyRootFilesystem"] and context["capabilities"] == {"drop": ["ALL"]}, name
        assert context["allowPrivilegeEscalation"] is False, name
    for name, one in compose().items():
        if one.command:
            assert one.said["read_only"] and one.said["cap_drop"] == ["ALL"], name
            assert one.said["security_opt"] == ["no-new-privileges:true"] and "privileged" not in one.said, name


def fetch(at, path):
    try:
        with urllib.request.urlopen(f"http://{at}{path}", timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def open_pod(stage, name, files):
    """The volumes of a pod of kubernetes.yaml, and its containers by name."""
    pod = containers.pods()[name]
    for volume in pod["volumes"]:
        if "secret" in volume:
            stage.secret_volume(volume, files, pod["securityContext"]["fsGroup"])
        else:
            stage.volume(volume["name"], 0o2777, pod["securityContext"]["fsGroup"])
    return {where[1]: one for where, one in kubernetes().items() if where[0] == name}


def start_beside(stage, side):
    """Library and sender, as they are there when a program starts; returns the sender."""
    assert stage.start(side["library"]).wait() == 0
    sender = stage.start(side["sender"], HYBRIDGE_CA_FILE=stage.authority)
    until(lambda: stage.probe(side["sender"]) == 0, f"a sender:\n{sender.err}")
    return sender


def connect(stage, app, user=None):
    """What a program in the container of the program sees."""
    program = stage.world.path("connecting")
    if not os.path.exists(program):
        shutil.copy(tool("connecting"), program)
    return stage.start(app, [program, "blocking", "db.corp", "5432"], user).line("errno")


def expect_served(stage, app):
    seen = connect(stage, app)
    assert seen["errno"] == "" and seen["echo"], seen
    if os.getuid() == 0:
        for other in (0, app.user + 1):
            assert connect(stage, app, other)["errno"] == "ECONNREFUSED", other


def test_a_program_in_a_pod_reaches_a_service_beside_an_agent_in_another():
    with servers.echo() as target, World() as world:
        stage, relay = Stage(world), world.relay(["db"])
        near = {"HYBRIDGE_CA_FILE": stage.authority, "HYBRIDGE_DB_TARGET": "%s:%d" % target.at}
        one = open_pod(stage, "agent", {"db-listen.connection": relay.connection("db", "listen")})["agent"]
        probes = [one.said[probe]["httpGet"] for probe in ("livenessProbe", "readinessProbe")]
        (port,) = one.said["ports"]
        assert one.env["HYBRIDGE_STATUS_LISTEN"] == f"0.0.0.0:{port['containerPort']}"
        assert {probe["port"] for probe in probes} == {port["name"]}
        at = f"127.0.0.1:{servers.free_port()}"
        agent = stage.start(one, ready=True, HYBRIDGE_STATUS_LISTEN=at, **near)
        for probe in probes:
            until(lambda probe=probe: fetch(at, probe["path"]) == 200, probe["path"])
        side = open_pod(stage, "app", {"db-send.connection": relay.connection("db", "send")})
        sender = start_beside(stage, side)
        expect_served(stage, side["app"])
        assert image("STOPSIGNAL") == ["SIGTERM"] and sender.stop() == 0 and agent.stop() == 0


def test_a_secret_that_everyone_can_read_is_refused():
    with World() as world:
        stage = Stage(world)
        for volume in containers.pods()["app"]["volumes"]:
            if "secret" in volume:
                # As kubernetes has it where nobody says otherwise.
                volume = {"name": volume["name"], "secret": {}}
                stage.secret_volume(volume, {"db-send.connection": STRING}, 65532)
            else:
                stage.volume(volume["name"])
        sender = stage.start(kubernetes()["app", "sender"])
        sender.expected_status = 78
        assert sender.wait() == 78 and "readable by everyone (mode 0644)" in sender.err, sender.err


def own(stage, service, path, text):
    """A file of whom compose.yaml says, and closed to others."""
    return stage.file(path, text, 0o600, service.user, service.group)


def test_the_services_of_compose_reach_each_other():
    with servers.echo() as target, World() as world:
        stage, services = Stage(world), compose()
        made = world.path("keys")
        os.mkdir(made)
        done = manual.run("hybridge", "key", "new", "--hc", "db", "--relay", "wss://localhost", "--dir", made)
        assert done.returncode == 0, done.stderr
        # What the file's head says to put where.
        at = stage.volume("./relay", 0o755)
        os.mkdir(os.path.join(at, "relay.d"))
        for name, path in zip(("relay.crt", "relay.key"), world.authority.leaf):
            own(stage, services["relay"], os.path.join(at, name), source(path))
        own(stage, services["relay"], os.path.join(at, "relay.d", "db.env"), source(made, "db.env"))
        relay = stage.start(services["relay"], ready=True, HYBRIDGE_RELAY_LISTEN="127.0.0.1:0")
        for service in ("agent", "sender"):
            (name,) = services[service].said["secrets"]
            text = source(made, name).replace("//localhost", "//localhost:" + relay.ready.rpartition(":")[2])
            stage.folders[name] = own(stage, services[service], world.path(name), text)
        near = {"HYBRIDGE_CA_FILE": stage.authority, "HYBRIDGE_DB_TARGET": "%s:%d" % target.at}
        agent = stage.start(services["agent"], ready=True, **near)
        stage.give(stage.volume("hybridge", 0o755), services["sender"].user, services["sender"].group)
        sender = start_beside(stage, services)
        expect_served(stage, services["app"])
        assert sender.stop() == 0 and agent.stop() == 0 and relay.stop() == 0


def test_what_compose_names_is_there():
    (document,) = containers.documents("compose.yaml")
    for name, one in document["services"].items():
        volumes = {volume.split(":")[0] for volume in one.get("volumes", ())}
        assert {volume for volume in volumes if not volume.startswith(".")} <= set(document["volumes"]), name
        assert set(one.get("secrets", ())) <= set(document["secrets"]), name
        assert set(one.get("depends_on", ())) <= set(document["services"]), name
    listen = document["services"]["relay"]["environment"]["HYBRIDGE_RELAY_LISTEN"]
    assert document["services"]["relay"]["ports"] == ["443:" + listen.rpartition(":")[2]]


if __name__ == "__main__":
    main()
