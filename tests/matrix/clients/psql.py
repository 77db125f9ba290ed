"""libpq: non-blocking, poll, SO_ERROR"""

NEEDS = "postgresql-client"
SERVICE = "postgres"
COMMAND = ["psql", "-X", "-A", "-t", "-c", "select 'got ' || 6 * 7", "host={host} port={port} user=shop dbname=postgres"]
PRINTS = "got 42"
