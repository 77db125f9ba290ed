"""blocking connect() under a timer"""

NEEDS = "wget"
SERVICE = "web"
COMMAND = ["wget", "-t", "1", "-T", "20", "-O", "-", "http://{host}:{port}/"]
PRINTS = "this page is private"
