"""DBI's driver on libpq"""

NEEDS = "libdbd-pg-perl"
SERVICE = "postgres"
DSN = "dbi:Pg:host={host};port={port};dbname=postgres"
CODE = "print DBI->connect('%s', 'shop', '', {RaiseError => 1})->selectrow_array(q(select 'got ' || 6 * 7))"
COMMAND = ["perl", "-MDBI", "-e", CODE % DSN]
PRINTS = "got 42"
