<?php
// Lists the databases of a PostgreSQL server.
try {
    $db = new PDO('pgsql:'); // PGHOST, PGPORT, PGUSER ...
} catch (PDOException $error) {
    error_log($error->getMessage());
    exit(1);
}
$sql = 'select datname, pg_encoding_to_char(encoding) from pg_database order by 1';
foreach ($db->query($sql, PDO::FETCH_NUM) as [$name, $encoding]) {
    echo "$name $encoding\n";
}
