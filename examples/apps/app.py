"""Lists the databases of a PostgreSQL server."""

import sys

import psycopg2

try:
    db = psycopg2.connect("")  # PGHOST, PGPORT, PGUSER ...
except psycopg2.OperationalError as error:
    sys.exit(str(error))
with db.cursor() as cursor:
    cursor.execute("select datname, pg_encoding_to_char(encoding) from pg_database order by 1")
    for name, encoding in cursor:
        print(name, encoding)
