"""hiredis: a second connect() asks how the first went"""

NEEDS = "redis-tools"
SERVICE = "redis"
COMMAND = ["redis-cli", "-h", "{host}", "-p", "{port}", "ping"]
PRINTS = "PONG"
