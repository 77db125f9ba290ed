"""dns.lookup: one address of one family, then libuv with that address"""

NEEDS = ""  # tests/deps takes a node from elsewhere, too
SERVICE = "echo"
COMMAND = ["node", "{file}", "{host}", "{port}", "{count}"]
PRINTS = "one address, it echoes"
REFUSED = "ECONNREFUSED"
TIMED_OUT = "ETIMEDOUT"
SOURCE = (
    "client.js",
    """
const dns = require('dns');
const net = require('net');
const [host, port, count] = process.argv.slice(2);

async function talk() {
    const found = await dns.promises.lookup(host, { all: true });
    const words = found.length === 1 && found[0].family === 4 ? 'one address' : 'several';
    const socket = net.connect(Number(port), found[0].address);
    socket.end(`${words}, it echoes\\n`);
    for await (const data of socket)
        process.stdout.write(data);
}

for (let i = 0; i < Number(count); i++)
    talk().catch((error) => {
        console.log(error.code);
        process.exitCode = 1;
    });
""",
)
