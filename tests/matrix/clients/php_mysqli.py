"""mysqlnd, on PHP's streams"""

NEEDS = "php-cli php-mysql"
SERVICE = "mariadb"
COMMAND = ["php", "{file}", "{host}", "{port}"]
PRINTS = "got 42"
SOURCE = (
    "client.php",
    """<?php
try {
    $db = new mysqli($argv[1], 'shop', '', '', (int)$argv[2]);
    echo $db->query("select concat('got ', 6 * 7)")->fetch_row()[0], "\\n";
} catch (mysqli_sql_exception $error) {
    echo $error->getMessage(), "\\n";
    exit(1);
}
""",
)
