"""libpq inside Python, one blocking connection a thread"""

NEEDS = "python3-psycopg2"
SERVICE = "postgres"
COMMAND = ["/usr/bin/python3", "{file}", "{host}", "{port}", "{count}"]
PRINTS = "got 42"
SOURCE = (
    "client.py",
    """
import os, psycopg2, sys, threading

host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
failed = []

def ask():
    try:
        with psycopg2.connect(host=host, port=port, user="shop", dbname="postgres") as connection:
            cursor = connection.cursor()
            cursor.execute("select 'got ' || 6 * 7")
            os.write(1, cursor.fetchone()[0].encode() + b"\\n")
    except psycopg2.Error as error:
        failed.append(error)
        print(error)

threads = [threading.Thread(target=ask) for _ in range(count)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.exit(len(failed) > 0)
""",
)
