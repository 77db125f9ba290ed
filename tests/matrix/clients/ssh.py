"""closes all descriptors at its start, asks for numeric names first"""

NEEDS = "openssh-client"
SERVICE = "ssh"
STRANGERS = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
OPTIONS = ["-F", "none", "-o", "BatchMode=yes", *STRANGERS]
COMMAND = ["ssh", *OPTIONS, "-i", "{key}", "-p", "{port}", "{login}@{host}", "echo got $((6 * 7))"]
PRINTS = "got 42"
