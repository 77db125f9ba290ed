"""libpq goes on to the second host when the first refuses"""

NEEDS = "postgresql-client"
SERVICE = "postgres"
TARGET = "host=refuses.corp,{host} port={port},{port} user=shop dbname=postgres"
COMMAND = ["psql", "-X", "-A", "-t", "-c", "select 'got ' || 6 * 7", TARGET]
PRINTS = "got 42"
