"""libcurl: non-blocking, polls, SO_ERROR"""

NEEDS = "curl"
SERVICE = "web"
COMMAND = ["curl", "-sSv", "http://{host}:{port}/"]
PRINTS = "this page is private"
