# Lists the databases of a PostgreSQL server.
package require Pgtcl

# PGHOST, PGPORT, PGUSER ...
if {[catch {pg_connect -conninfo ""} db]} {
    puts stderr $db
    exit 1
}
set sql "select datname, pg_encoding_to_char(encoding) as encoding from pg_database order by 1"
pg_select $db $sql row {
    puts "$row(datname) $row(encoding)"
}
pg_disconnect $db
