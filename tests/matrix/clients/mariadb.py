"""MariaDB's client library: non-blocking, SO_ERROR"""

NEEDS = "mariadb-client-core"
SERVICE = "mariadb"
COMMAND = ["mariadb", "--no-defaults", "-h", "{host}", "-P", "{port}", "-u", "shop", "-e", "select concat('got ', 6 * 7)"]
PRINTS = "got 42"
REFUSED = r"\(111"
TIMED_OUT = r"\(110"
