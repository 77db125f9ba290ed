"""http.get without an agent that keeps connections"""

NEEDS = ""  # tests/deps takes a node from elsewhere, too
SERVICE = "web"
COMMAND = ["node", "{file}", "{host}", "{port}", "{count}"]
PRINTS = "this page is private"
REFUSED = "ECONNREFUSED"
TIMED_OUT = "ETIMEDOUT"
SOURCE = (
    "client.js",
    """
const http = require('http');
const [host, port, count] = process.argv.slice(2);
for (let i = 0; i < Number(count); i++) {
    const request = http.get({ host, port, agent: false }, (answer) => {
        answer.pipe(process.stdout, { end: false });
    });
    request.on('error', (error) => {
        console.log(error.code);
        process.exitCode = 1;
    });
}
""",
)
