"""an extension loaded with RTLD_DEEPBIND: libpq"""

NEEDS = "php-cli php-pgsql"
SERVICE = "postgres"
COMMAND = ["php", "{file}", "{host}", "{port}"]
PRINTS = "got 42"
SOURCE = (
    "client.php",
    """<?php
try {
    $db = new PDO("pgsql:host=$argv[1];port=$argv[2];dbname=postgres", 'shop');
    echo $db->query("select 'got ' || 6 * 7")->fetchColumn(), "\\n";
} catch (PDOException $error) {
    echo $error->getMessage(), "\\n";
    exit(1);
}
""",
)
