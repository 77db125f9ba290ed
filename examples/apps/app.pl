# Lists the databases of a PostgreSQL server.
use strict;
use warnings;
use DBI;

# PGHOST, PGPORT, PGUSER ...
my $db = DBI->connect('dbi:Pg:', undef, undef, { PrintError => 0 });
if (!$db) {
    print STDERR "$DBI::errstr\n";
    exit 1;
}
my $rows = $db->selectall_arrayref(
    'select datname, pg_encoding_to_char(encoding) from pg_database order by 1');
print "@$_\n" for @$rows;
$db->disconnect;
