"""a storm: one blocking probe, then all at once with epoll"""

NEEDS = "wrk"
SERVICE = "web"
COMMAND = ["wrk", "-t1", "-c{count}", "-d2s", "http://{host}:{port}/"]
PRINTS = r"(?s)\A(?!.*Socket errors).* [1-9]\d* requests in"
ONCE = True
