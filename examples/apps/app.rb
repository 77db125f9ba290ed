# Lists the databases of a PostgreSQL server.
require 'pg'

begin
  db = PG.connect # PGHOST, PGPORT, PGUSER ...
rescue PG::Error => e
  abort e.message
end
db.exec('select datname, pg_encoding_to_char(encoding) from pg_database order by 1').each_row do |row|
  puts row.join(' ')
end
