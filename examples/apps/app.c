/*
 * app.c - lists the databases of a PostgreSQL server.
 */
#include <stdio.h>

#include <postgresql/libpq-fe.h>

static int list(PGconn *db)
{
	PGresult *rows =
		PQexec(db, "select datname, pg_encoding_to_char(encoding) "
			   "from pg_database order by 1");
	int ret = PQresultStatus(rows) == PGRES_TUPLES_OK ? 0 : -1;

	for (int i = 0; i < PQntuples(rows); i++)
		printf("%s %s\n", PQgetvalue(rows, i, 0),
		       PQgetvalue(rows, i, 1));
	PQclear(rows);
	return ret;
}

int main(void)
{
	PGconn *db = PQconnectdb(""); /* PGHOST, PGPORT, PGUSER ... */
	int status = 0;

	if (PQstatus(db) != CONNECTION_OK || list(db) != 0) {
		fputs(PQerrorMessage(db), stderr);
		status = 1;
	}
	PQfinish(db);
	return status;
}
