"""npm's pg, PostgreSQL's protocol in JavaScript"""

NEEDS = ""  # tests/npm/setup installs it; tests/deps takes a node from elsewhere, too
SERVICE = "postgres"
COMMAND = ["env", "NODE_PATH={npm}", "node", "{file}", "{host}", "{port}", "{count}"]
PRINTS = "got 42"
REFUSED = "ECONNREFUSED"
TIMED_OUT = "ETIMEDOUT"
SOURCE = (
    "client.js",
    """
const { Client } = require('pg');
const [host, port, count] = process.argv.slice(2);

async function ask() {
    const client = new Client({ host, port: Number(port), user: 'shop', database: 'postgres' });
    await client.connect();
    const answer = await client.query("select 'got ' || 6 * 7 as text");
    console.log(answer.rows[0].text);
    await client.end();
}

for (let i = 0; i < Number(count); i++)
    ask().catch((error) => {
        console.log(error.code);
        process.exitCode = 1;
    });
""",
)
