"""What examples/container says, taken apart, and its containers as processes of this machine.

A container's paths become folders of a test, and its user ours where we are not root.  What is
not the same: there is no other system around a program, and nothing is mounted read-only.
"""

import atexit
import functools
import json
import os
import re
import shutil
import subprocess
import tempfile

import harness
from harness import BUILD, CLEAN_ENV, SOURCE, Process

FOLDER = os.path.join(SOURCE, "examples", "container")
FILES = ("Dockerfile", "kubernetes.yaml", "compose.yaml")
# Debian's own: its yaml is what tests/deps installs.
TO_JSON = "import json, sys, yaml; json.dump(list(yaml.safe_load_all(sys.stdin)), sys.stdout)"
# Where the image gets its files from.
INSTALLED = "/image"


@functools.cache
def read(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return file.read()


@functools.cache
def documents(name):
    argv = ["/usr/bin/python3", "-c", TO_JSON]
    done = subprocess.run(argv, input=read(name), capture_output=True, text=True, check=False)
    assert done.returncode == 0, (name, done.stderr)
    return json.loads(done.stdout)


def instructions(stage):
    """Those of a stage of the Dockerfile: [("RUN", "make ..."), ...]; what goes on behind a \\ is one."""
    text = re.sub(r"^#.*\n", "", read("Dockerfile"), flags=re.M)
    lines = re.sub(r"\\\n", " ", text).splitlines()
    stages = []
    for word, rest in (line.split(None, 1) for line in lines if line.strip()):
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, rest))
    return stages[stage]


def image(word):
    """What an instruction of the image itself, the last stage, says each time."""
    return [rest for name, rest in instructions(-1) if name == word]


@functools.cache
def installed():
    """A folder with what `make install` puts below INSTALLED."""
    root = tempfile.mkdtemp(prefix="hybridge-image-")
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    os.chmod(root, 0o755)
    # What was built is what is tested: nothing is built for it.
    argv = ["make", "-o", "programs", "install", f"DESTDIR={root}", f"B={BUILD}", f"SAN={os.environ.get('SAN', '')}"]
    done = subprocess.run(argv, env=CLEAN_ENV, capture_output=True, text=True, cwd=SOURCE, check=False)
    assert done.returncode == 0, done.stderr
    return root


def image_files():
    """What the image gets of it, as paths in the image."""
    found = set()
    for rest in image("COPY"):
        stage, source, target = rest.split()
        assert stage == "--from=build" and source.startswith(INSTALLED + "/"), rest
        folder = installed() + source.removeprefix(INSTALLED)
        assert source.endswith("/") and target.endswith("/") and os.path.isdir(folder), rest
        for where, _, names in os.walk(folder):
            found.update(os.path.join(target, os.path.relpath(os.path.join(where, name), folder)) for name in names)
    return found


class Container:
    """A container: .command and .probe, .env, .mounts ({"/path": volume's name}), .user and .group."""

    def __init__(self, said, command, probe, env, mounts, user):
        self.said = said  # as it stands in the file
        self.command, self.probe, self.env, self.mounts = command, probe, env, mounts
        self.user, self.group = map(int, user.split(":"))


def of_service(service):
    """One of compose.yaml."""
    volumes = [volume.split(":") for volume in service.get("volumes", ())]
    mounts = {volume[1]: volume[0] for volume in volumes}
    mounts.update({f"/run/secrets/{name}": name for name in service.get("secrets", ())})
    probe = service.get("healthcheck", {}).get("test", ["CMD"])
    assert probe[0] == "CMD", probe
    # Of another's image we know no user: root, unless it says so.
    user = service.get("user") or (image("USER")[0] if service["image"] == "hybridge" else "0:0")
    return Container(service, service.get("command"), probe[1:], service.get("environment", {}), mounts, user)


def compose():
    """{service's name: Container}"""
    (document,) = documents("compose.yaml")
    return {name: of_service(service) for name, service in document["services"].items()}


def of_pod(pod, container):
    """One of kubernetes.yaml."""
    names = {volume["name"] for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert set(mounts.values()) <= names, (mounts, names)
    env = {}
    for source in container.get("envFrom", ()):
        env.update(of_kind("ConfigMap")[source["configMapRef"]["name"]]["data"])
    env.update((item["name"], item["value"]) for item in container.get("env", ()))
    probe = container.get("startupProbe", {}).get("exec", {}).get("command", [])
    context = pod["securityContext"]
    user = f"{context['runAsUser']}:{context['runAsGroup']}"
    return Container(container, container.get("command"), probe, env, mounts, user)


def of_kind(kind):
    """{name: document} of kubernetes.yaml."""
    return {one["metadata"]["name"]: one for one in documents("kubernetes.yaml") if one["kind"] == kind}


def pods():
    """{deployment's name: its pod}"""
    return {name: one["spec"]["template"]["spec"] for name, one in of_kind("Deployment").items()}


def kubernetes():
    """{(deployment's name, container's name): Container}"""
    found = {}
    for name, pod in pods().items():
        for container in pod.get("initContainers", []) + pod["containers"]:
            found[name, container["name"]] = of_pod(pod, container)
    return found


class Stage:
    """Where containers run: .folders has the volumes ({name: path})."""

    def __init__(self, world):
        self.world = world
        self.folders = {}
        # Whoever a container runs as has to get through.
        os.chmod(world.folder, 0o711)
        self.authority = shutil.copy(world.authority.path, world.path("trusted.pem"))
        os.chmod(self.authority, 0o644)

    def give(self, path, user, group):
        """As root: to somebody, as who set up the machine would."""
        if os.getuid() == 0:
            os.chown(path, user, group)

    def volume(self, name, mode=0o777, group=0):
        """An empty folder; with its modes a kubelet lets everybody write there."""
        path = self.folders[name] = self.world.path(f"volume-{len(self.folders)}")
        os.mkdir(path)
        self.give(path, 0, group)
        os.chmod(path, mode)
        return path

    def file(self, path, text, mode, user, group):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        self.give(path, user, group)
        os.chmod(path, mode)
        return path

    def secret_volume(self, volume, files, group):
        """A secret as a kubelet mounts it: each name a link to a link to a folder with the files."""
        folder = self.volume(volume["name"], 0o3777, group)
        os.mkdir(os.path.join(folder, "..2026_11_28"))
        os.symlink("..2026_11_28", os.path.join(folder, "..data"))
        for name, text in files.items():
            # For a pod with a group every file gets that, and its group may read it.
            mode = volume["secret"].get("defaultMode", 0o644) | 0o440
            self.file(os.path.join(folder, "..data", name), text, mode, 0, group)
            os.symlink(os.path.join("..data", name), os.path.join(folder, name))

    def inside(self, container, text):
        """A path in the container, as the same one here; anything else stays as it is."""
        for path, name in container.mounts.items():
            if text == path or text.startswith(path + "/"):
                return self.folders[name] + text.removeprefix(path)
        return installed() + text if text in image_files() else text

    def argv(self, container, command):
        program = [path for path in image_files() if re.fullmatch(rf"/usr/local/s?bin/{command[0]}", path)]
        words = [*program, *command[1:]] if program else command
        return [self.inside(container, word) for word in words]

    def env(self, container, more):
        env = {key: self.inside(container, value) for key, value in container.env.items()}
        return {**CLEAN_ENV, **env, **more}

    def start(self, container, command=None, user=None, ready=False, **more):
        """Starts a container's program, or another one in its place, as another user."""
        argv = self.argv(container, command or container.command)
        prefix = become(container.user if user is None else user, container.group)
        wrapper = harness.WRAPPER
        if not os.path.basename(argv[0]).startswith("hybridge-"):
            argv = [*prefix, *argv]
        harness.WRAPPER = [*prefix, *wrapper]
        try:
            return Process(self.world, argv, self.env(container, more), ready=ready)
        finally:
            harness.WRAPPER = wrapper

    def probe(self, container):
        """The exit status of its probe."""
        argv = [*become(container.user, container.group), *self.argv(container, container.probe)]
        done = subprocess.run(argv, env=self.env(container, {}), capture_output=True, timeout=60, check=False)
        return done.returncode


def become(user, group):
    """What a program is started under to run as the container's user, without any right."""
    if os.getuid() != 0:
        return []
    drop = ["--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
    return ["setpriv", f"--reuid={user}", f"--regid={group}", *drop]
