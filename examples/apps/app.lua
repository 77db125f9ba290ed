-- Lists the databases of a PostgreSQL server.
local postgres = require("luasql.postgres").postgres()

local db, message = postgres:connect("") -- PGHOST, PGPORT, PGUSER ...
if not db then
    io.stderr:write(message, "\n")
    os.exit(1)
end
local rows = db:execute("select datname, pg_encoding_to_char(encoding) from pg_database order by 1")
for name, encoding in rows.fetch, rows do
    print(name .. " " .. encoding)
end
db:close()
