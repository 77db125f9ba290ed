"""MariaDB's client library: non-blocking, SO_ERROR"""

NEEDS = "mariadb-client-core"
SERVICE = "mariadb"
QUERY = "select concat('got ', 6 * 7)"
COMMAND = ["mariadb", "--no-defaults", "-h{host}", "-P{port}", "-ushop", "-e", QUERY]
PRINTS = "got 42"
# Its message has the errno of connect(), EINPROGRESS, not what SO_ERROR then told it.
REFUSED = TIMED_OUT = r"Can't connect to server on '[a-z]+\.corp' \(115"
