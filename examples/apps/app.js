// Lists the databases of a PostgreSQL server.
const { Client } = require('pg');

async function main() {
	const db = new Client(); // PGHOST, PGPORT, PGUSER ...
	await db.connect();
	const { rows } = await db.query(
		'select datname, pg_encoding_to_char(encoding) as encoding from pg_database order by 1');
	for (const { datname, encoding } of rows)
		console.log(datname, encoding);
	await db.end();
}

main().catch((error) => {
	console.error(error.message);
	process.exitCode = 1;
});
