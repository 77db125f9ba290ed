"""http.client with a time-out: non-blocking, poll, SO_ERROR"""

NEEDS = "python3"
SERVICE = "web"
CODE = "import urllib.request as r; print(r.urlopen('http://{host}:{port}/', timeout=20).read())"
COMMAND = ["{python}", "-c", CODE]
PRINTS = "this page is private"
