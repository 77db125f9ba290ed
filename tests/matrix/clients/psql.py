"""libpq: non-blocking, poll, SO_ERROR"""

NEEDS = "postgresql-client"
SERVICE = "postgres"
TARGET = "host={host} port={port} user=shop dbname=postgres"
COMMAND = ["psql", "-X", "-A", "-t", "-c", "select 'got ' || 6 * 7", TARGET]
PRINTS = "got 42"
