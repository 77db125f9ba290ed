"""libpq goes on to the second host when the first refuses"""

NEEDS = "postgresql-client"
SERVICE = "postgres"
TARGET = "host=refuses.corp,{host} port={port},{port} user=shop dbname=postgres"
QUERY = ["-c", r"\echo :HOST", "-c", "select 'got ' || 6 * 7"]
COMMAND = ["psql", "-X", "-A", "-t", *QUERY, TARGET]
PRINTS = r"(?m)^postgres\.corp\ngot 42"
